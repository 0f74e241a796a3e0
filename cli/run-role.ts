// Runs a role as a process: starts it, reports where it listens, stops it on a signal.
//
//   on a terminal, in a unit      one line on stdout:  datanode node-0 pid 123 http ... resp ... grpc ...
//   under `stele up` (IPC)        a message to the supervisor instead:  {type: 'listening' | 'failed', ...}
//
// SIGTERM or SIGINT: become unready, drain, close, exit 0 within 10 s; a second one exits at once.
// SIGHUP (the terminal is gone) does the same and exits with 129; with an audit log in a file it
// opens that again, unless the terminal is gone. Under a supervisor, the terminal's SIGINT and
// SIGHUP are left to it (they reach the whole process group), and a second SIGTERM has no effect,
// because the supervisor has SIGKILL. If the supervisor dies, the process ends within 10 s,
// whatever it is doing. The supervisor may have died before this file was loaded; then there is no
// event, but the channel is already closed.

import type { Logger } from '../base/log.ts';
import type { NodeAddress } from '../proto/gen/stele/v1/view.ts';
import {
  codeOf,
  EXIT_FAILED,
  EXIT_OK,
  exitCodeOfError,
  exitCodeOfSignal,
  INTERRUPT_SIGNALS,
  sentenceOf,
} from './exit.ts';
import type { InterruptSignal } from './exit.ts';
import { isTerminalGone } from './hang-up.ts';
import type { Output } from './output.ts';
import { SUPERVISED_VARIABLE } from './up/child-messages.ts';
import type { ChildMessage } from './up/child-messages.ts';
import { hostAndPort } from '../base/address.ts';

const CLOSE_MS_MAX = 10_000;

export interface RunningRole {
  /** `master`, `datanode node-0`. */
  readonly title: string;
  readonly address: NodeAddress;
  /** Resolves if the role cannot continue: it is closed, and the process ends with this error. */
  readonly failed?: Promise<Error>;
  /** Opens the files of its logs again, after they were renamed; undefined if there are none. */
  readonly reopenLogs?: (() => void) | undefined;
  close(): Promise<void>;
}

/** Starts the role, runs it until a signal comes, and closes it; returns the exit code. */
export async function runRole(
  start: () => Promise<RunningRole>,
  output: Output,
  log: Logger,
): Promise<number> {
  const supervised = process.env[SUPERVISED_VARIABLE] === '1' && process.send !== undefined;
  let role: RunningRole | undefined;
  const stopped = watchForStop(supervised, () => role?.reopenLogs);
  logUncaught(log);
  try {
    role = await start();
  } catch (thrown) {
    if (!supervised) throw thrown;
    await report({ type: 'failed', sentence: sentenceOf(thrown), code: codeOf(thrown) });
    return exitCodeOfError(thrown);
  }
  if (supervised) await report({ type: 'listening', address: role.address });
  else output.line(addressLine(role.title, process.pid, role.address));
  const why = await Promise.race([stopped, role.failed ?? stopped]);
  if (why instanceof Error) {
    output.errorLine(`stele: ${sentenceOf(why)}`);
    await closeInTime(role, log);
    return exitCodeOfError(why);
  }
  log.info({ why }, 'stopping');
  const code = await closeInTime(role, log);
  return code === EXIT_OK && why === 'SIGHUP' ? exitCodeOfSignal(why) : code;
}

/** Logs an uncaught error with its stack, whatever the settings. main.ts ends the process. */
function logUncaught(log: Logger): void {
  const logError = (thrown: unknown): void =>
    log.fatal({ err: thrown }, 'uncaught error; the process ends');
  process.prependListener('uncaughtException', logError);
  process.prependListener('unhandledRejection', logError);
}

/**
 * `datanode node-0 pid 123 http 127.0.0.1:9001 resp 127.0.0.1:7380 grpc 127.0.0.1:8401`. `scheme`
 * is that of a member of etcd.
 */
export function addressLine(
  title: string,
  pid: number,
  address: NodeAddress,
  scheme: 'http' | 'https' = 'http',
): string {
  const { host } = address;
  // A member of etcd: its clients have one port, and it is none of Stele's.
  if (address.httpPort === 0)
    return `${title} pid ${pid} clients ${scheme}://${hostAndPort(host, address.grpcPort)}`;
  return `${title} pid ${pid} http ${hostAndPort(host, address.httpPort)} resp ${hostAndPort(host, address.respPort)} grpc ${hostAndPort(host, address.grpcPort)}`;
}

/** Resolves to the reason: a signal's name, or a sentence. */
function watchForStop(
  supervised: boolean,
  reopenLogs: () => (() => void) | undefined,
): Promise<string> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (signal: InterruptSignal): void => {
      const reopen = signal === 'SIGHUP' && !isTerminalGone() ? reopenLogs() : undefined;
      if (reopen !== undefined) return reopen();
      if (supervised && signal !== 'SIGTERM') return;
      if (signals++ > 0 && !supervised) process.exit(exitCodeOfSignal(signal));
      resolve(signal);
    };
    for (const signal of INTERRUPT_SIGNALS) process.on(signal, onSignal);
    if (!supervised) return;
    const onGone = (): void => {
      // No supervisor is left to kill a start or a close that hangs.
      setTimeout(() => process.exit(EXIT_FAILED), CLOSE_MS_MAX).unref();
      resolve('the supervisor is gone');
    };
    if (process.connected) process.on('disconnect', onGone);
    else onGone();
  });
}

async function closeInTime(role: RunningRole, log: Logger): Promise<number> {
  const outOfTime = new Promise<'late'>((resolve) => {
    setTimeout(() => resolve('late'), CLOSE_MS_MAX - 500).unref();
  });
  const outcome = await Promise.race([role.close(), outOfTime]);
  if (outcome !== 'late') return EXIT_OK;
  log.error('could not close in time; what was acknowledged is on disk');
  return EXIT_FAILED;
}

function report(message: ChildMessage): Promise<void> {
  return new Promise((resolve) => {
    // If the supervisor has died since, 'disconnect' reports it.
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}
