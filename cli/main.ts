#!/usr/bin/env node
// The `stele` command. It checks that this Node.js is recent enough before anything else is loaded
// (a static import would be loaded first), and leaves the rest to command-process.ts, in one of two
// forms: bundled by bundle.mjs, which starts with two thirds of the CPU time, or as the compiler has
// written it.

import { existsSync } from 'node:fs';

/** The oldest release that has everything, for each supported line. */
const OLDEST_MINORS: ReadonlyMap<number, number> = new Map([
  [20, 19],
  [22, 2],
]);
const OLDEST_MAJOR = 23;

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST_MAJOR && minor < (OLDEST_MINORS.get(major) ?? Infinity)) {
  process.stderr.write(
    `stele: Stele needs Node.js 20.19 or newer (22.2 of the line 22), and this is ${process.versions.node}; install a newer one.\n`,
  );
  process.exit(1);
}

const bundled = new URL('../bundle/command-process.js', import.meta.url);
if (existsSync(bundled)) await import(bundled.href);
else await import('./command-process.ts');
