// Kills what a test runner started when the runner itself is killed and can do nothing any more.
//
// A small process that reads `+pid`, `-pid` and `/folder` lines; when its standard input ends,
// because the runner is gone however it went, it kills the pids that are left and removes the
// folders.

import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

const PROGRAM = `
  import { rmSync } from 'node:fs';
  const pids = new Set();
  const folders = [];
  let text = '';
  process.on('SIGINT', () => undefined);
  process.stdin.setEncoding('utf8').on('data', (part) => {
    const lines = (text + part).split('\\n');
    text = lines.pop();
    for (const line of lines) {
      if (line[0] === '/') folders.push(line);
      else pids[line[0] === '+' ? 'add' : 'delete'](Number(line.slice(1)));
    }
  });
  process.stdin.on('end', () => {
    for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch {}
    for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
`;

let input: Writable | undefined;

/** Has `pid` killed when this process dies. */
export function guard(pid: number): void {
  input ??= startWatchdog();
  input.write(`+${pid}\n`);
}

/** `pid` has ended. */
export function unguard(pid: number): void {
  input?.write(`-${pid}\n`);
}

/** Has `folder` removed when this process dies. */
export function removeAtEnd(folder: string): void {
  input ??= startWatchdog();
  input.write(`${folder}\n`);
}

function startWatchdog(): Writable {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.unref();
  // A pipe is a socket here, and must not keep the runner alive either.
  if ('unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  child.stdin.on('error', () => undefined);
  return child.stdin;
}
