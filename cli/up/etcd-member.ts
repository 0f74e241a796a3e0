// One member of the etcd of `stele up`, as the child of a process that speaks the supervisor's
// language (child-messages.ts) and leaves no etcd running:
//
//   node etcd-member.js FOLDER HOST PORT FLAGS-OF-ETCD...
//
// etcd ends with this process, however its supervisor dies. If this process is killed, etcd goes on
// until the next start, which ends it: its pid is in FOLDER/pid.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sleep } from '../../base/clock.ts';
import { dial } from '../../transport/dial.ts';
import { EXIT_FAILED, EXIT_OK } from '../exit.ts';
import type { ChildMessage } from './child-messages.ts';

const POLL_MS = 50;
/**
 * Members that end at the same time wait for each other; what they have acknowledged is on disk.
 */
const STOP_MS_MAX = 1_500;
const PRIVATE_FOLDER = 0o700;

const [folder = '', host = '', port = '', ...flags] = process.argv.slice(2);
const pidFile = join(folder, 'pid');
const logFile = join(folder, 'etcd.log');

mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER });
await endPredecessor();
const log = openSync(logFile, 'a');
// In a process group of its own: the terminal's Ctrl-C would end it before the masters.
const etcd = spawn('etcd', flags, { stdio: ['ignore', log, log], detached: true });
closeSync(log);
let isStopping = false;
etcd.once('error', (error) => {
  const sentence = `etcd cannot be started: ${error.message}.`;
  report({ type: 'failed', sentence, code: 'INVALID_ARGUMENT' }, EXIT_FAILED);
});
etcd.once('exit', (code, signal) => {
  rmSync(pidFile, { force: true });
  if (isStopping) process.exit(EXIT_OK);
  const how = signal ?? `exit code ${code ?? 'unknown'}`;
  const sentence = `etcd ended (${how}); the reason is at the end of ${logFile}.`;
  report({ type: 'failed', sentence, code: 'IO' }, EXIT_FAILED);
});
if (etcd.pid !== undefined) {
  writeFileSync(pidFile, String(etcd.pid));
  process.on('disconnect', stop);
  process.on('SIGTERM', stop);
  // The terminal's signals are the supervisor's.
  process.on('SIGINT', () => undefined);
  process.on('SIGHUP', () => undefined);
  while (!(await isListening())) await sleep(POLL_MS);
  const address = { host, httpPort: 0, respPort: 0, grpcPort: Number(port) };
  report({ type: 'listening', address });
}

function stop(): void {
  isStopping = true;
  etcd.kill('SIGTERM');
  setTimeout(() => etcd.kill('SIGKILL'), STOP_MS_MAX).unref();
}

function isListening(): Promise<boolean> {
  const socket = dial(host, Number(port));
  return new Promise((resolve) => {
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** An etcd that outlived the process that had started it would keep the folder locked. */
async function endPredecessor(): Promise<void> {
  for (;;) {
    const pid = runningPredecessor();
    if (pid === undefined) return;
    process.kill(pid, 'SIGTERM');
    await sleep(POLL_MS);
  }
}

function runningPredecessor(): number | undefined {
  try {
    const pid = Number(readFileSync(pidFile, 'utf8'));
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes(join(folder, 'data')) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function report(message: ChildMessage, exitCode?: number): void {
  if (!process.connected) process.exit(exitCode);
  process.send?.(message, () => {
    if (exitCode !== undefined) process.exit(exitCode);
  });
}
