// What a test needs on its machine: external programs, libraries for them, and privileges.

import { spawn, spawnSync } from 'node:child_process';

/**
 * Whether `program` runs. If not, prints one line, so that the test can skip; with
 * STELE_REQUIRE_TOOLS=1 (as in CI) throws instead.
 */
export function hasTool(program: string, debianPackage = 'redis-tools'): boolean {
  return isThere(program, spawnSync(program, ['--version']).status === 0, debianPackage);
}

/** The Python that has the module `name`; undefined (reported like hasTool) if none has. */
export function pythonWith(name: string, debianPackage: string): string | undefined {
  // Debian's own comes second if another one precedes it in the path.
  const python = ['python3', '/usr/bin/python3'].find(
    (each) => spawnSync(each, ['-c', `import ${name}`]).status === 0,
  );
  isThere(`the Python module ${name}`, python !== undefined, debianPackage);
  return python;
}

/**
 * Whether `program` runs with these arguments, which shows that it has the library `name`; reports
 * like hasTool.
 */
export function hasLibrary(
  name: string,
  program: string,
  args: readonly string[],
  debianPackages: string,
): boolean {
  return isThere(name, spawnSync(program, args).status === 0, debianPackages);
}

function isThere(what: string, found: boolean, debianPackage: string): boolean {
  if (!found) skipping(`${what} is not installed`, `install it (Debian: ${debianPackage})`);
  return found;
}

/**
 * Prints one line that a test is skipped, which CI collects (.ci/reporter.mjs). Throws instead with
 * STELE_REQUIRE_TOOLS=1.
 */
export function skipping(message: string, remedy: string): void {
  const text = `${message}; ${remedy} to run this test.`;
  if (process.env['STELE_REQUIRE_TOOLS'] === '1') throw new Error(text);
  console.warn(`SKIPPED: ${text}`);
}

/** Runs a program to its end, for at most `deadlineMs`; returns its stdout and stderr together. */
export async function runTool(
  program: string,
  args: readonly string[],
  input: string | Buffer = '',
  deadlineMs = 30_000,
): Promise<string> {
  const child = spawn(program, args, { stdio: 'pipe', timeout: deadlineMs });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  await new Promise((resolve) => child.once('close', resolve));
  return output;
}

export function withoutColours(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape is what is removed
  return text.replace(/\u001b\[[0-9;]*m/g, '');
}
