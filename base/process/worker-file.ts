// Paths of worker-thread files. Workers run from the build, because a worker cannot load
// TypeScript.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The path of the built worker at `relativeUrl`, relative to the module `moduleUrl`
 * (`import.meta.url`). Undefined if the sources run without a build, in tests: the work is then
 * done in the calling thread.
 */
export function workerFile(relativeUrl: string, moduleUrl: string): string | undefined {
  const path = fileURLToPath(new URL(relativeUrl, moduleUrl));
  return existsSync(path) ? path : undefined;
}
