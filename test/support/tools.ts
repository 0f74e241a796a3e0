// Outside programs that a test needs.

import { spawn, spawnSync } from 'node:child_process';

/**
 * True where `program` runs. Otherwise one loud line and false, so that the test can skip; with
 * STELE_REQUIRE_TOOLS=1 (as in CI) an error instead.
 */
export function hasTool(program: string, debianPackage = 'redis-tools'): boolean {
  return isThere(program, spawnSync(program, ['--version']).status === 0, debianPackage);
}

/** The Python that has the module `name`; undefined (told as by hasTool) where none has. */
export function pythonWith(name: string, debianPackage: string): string | undefined {
  // Debian's own comes second where somebody has another one in front.
  const python = ['python3', '/usr/bin/python3'].find(
    (each) => spawnSync(each, ['-c', `import ${name}`]).status === 0,
  );
  isThere(`the Python module ${name}`, python !== undefined, debianPackage);
  return python;
}

/** True where `program` runs with these arguments, that is, where it has the library `name`; told as by hasTool. */
export function hasLibrary(
  name: string,
  program: string,
  args: readonly string[],
  debianPackages: string,
): boolean {
  return isThere(name, spawnSync(program, args).status === 0, debianPackages);
}

function isThere(what: string, found: boolean, debianPackage: string): boolean {
  return found || !skip(`${what} is not installed`, `install it (Debian: ${debianPackage})`);
}

/** One loud line that a test is skipped, and true; with STELE_REQUIRE_TOOLS=1 an error instead. */
function skip(message: string, remedy: string): true {
  if (process.env['STELE_REQUIRE_TOOLS'] === '1') throw new Error(message);
  return skipWithoutRights(message, remedy);
}

/** The same for what no installation gives: one loud line, whatever is required. */
export function skipWithoutRights(message: string, remedy: string): true {
  console.warn(`SKIPPED: ${message}; ${remedy} to run this test.`);
  return true;
}

/** Runs a program to its end, at most `deadlineMs`; its stdout and stderr together. */
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
