// One child process of `stele up`: started, watched, restarted when it dies, stopped.
//
//   starting --listening--> running --exit--> waiting (backoff) --> starting
//       |                      |                 |  ^
//     failed (first start)   stop()            stop() |
//       v                      v                 v  |
//     start() throws         SIGTERM, 10 s, SIGKILL, stopped
//       +-- keepTrying() ---------------------------+
//
// A restarted child gets the ports of its first run, so that the printed addresses stay valid.
// There are no orphans: a child ends when its IPC channel closes, however the parent dies.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { usableCores } from '../../base/process/usable-cores.ts';
import type { NodeAddress } from '../../proto/gen/stele/v1/view.ts';
import { EXIT_USAGE } from '../exit.ts';
import { nextBackoffMs } from './backoff.ts';
import { isChildMessage, SUPERVISED_VARIABLE } from './child-messages.ts';

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 10_000;

export interface ProcessSpec {
  /** `master`, `datanode node-0`. */
  readonly title: string;
  /** The script and its arguments; `address` is that of the previous run. */
  command(address: NodeAddress | undefined): readonly string[];
  readonly restart: boolean;
}

export interface ProcessEvents {
  /** The process listens, after its start and after every restart. */
  listening(title: string, pid: number, address: NodeAddress): void;
  /** The process ended unasked; with `restartMs` undefined it is not restarted. */
  ended(title: string, pid: number, how: string, restartMs: number | undefined): void;
  /** A restart failed; another one follows. The sentence names the process. */
  notRestarted(sentence: string): void;
}

interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  /** Resolves to how it ended. */
  readonly exited: Promise<string>;
}

export class SupervisedProcess {
  readonly #spec: ProcessSpec;
  readonly #events: ProcessEvents;
  readonly #stopping = new AbortController();
  #run: Run | undefined;
  #address: NodeAddress | undefined;
  #watching: Promise<void> = Promise.resolve();

  constructor(spec: ProcessSpec, events: ProcessEvents) {
    this.#spec = spec;
    this.#events = events;
  }

  /**
   * Starts the process; resolves when it listens. Throws a SteleError with the child's own sentence
   * and code.
   */
  async start(): Promise<NodeAddress> {
    const startedAtMs = monotonicNowMs();
    const run = await this.#launch();
    this.#watching = this.#watch(run, startedAtMs);
    return this.#address as NodeAddress;
  }

  /** Keeps restarting after a failed start, as after a run that ended. */
  keepTrying(): void {
    this.#watching = this.#watch(undefined, monotonicNowMs());
  }

  /** Sends SIGTERM, then SIGKILL after 10 s; resolves when the process is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    const run = this.#run;
    if (run !== undefined) {
      run.child.kill('SIGTERM');
      const timer = setTimeout(() => run.child.kill('SIGKILL'), STOP_MS_MAX);
      await run.exited;
      clearTimeout(timer);
    }
    await this.#watching;
  }

  /** Sends a signal, if the process runs. */
  signal(signal: NodeJS.Signals): void {
    this.#run?.child.kill(signal);
  }

  /** Sends SIGKILL at once, for a second Ctrl-C. */
  kill(): void {
    this.#stopping.abort();
    this.#run?.child.kill('SIGKILL');
  }

  async #watch(first: Run | undefined, firstStartedAtMs: number): Promise<void> {
    let run = first;
    let startedAtMs = firstStartedAtMs;
    let backoffMs = 0;
    for (;;) {
      const how = run === undefined ? 'did not start' : await run.exited;
      if (this.#stopping.signal.aborted) return;
      backoffMs = nextBackoffMs(backoffMs, monotonicNowMs() - startedAtMs);
      const restartMs = this.#spec.restart ? backoffMs : undefined;
      if (run !== undefined) this.#events.ended(this.#spec.title, run.pid, how, restartMs);
      if (restartMs === undefined) return;
      await sleep(restartMs, this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      startedAtMs = monotonicNowMs();
      run = await this.#launchAgain();
    }
  }

  /** Like #launch, but a failure is reported and retried later, not thrown. */
  async #launchAgain(): Promise<Run | undefined> {
    try {
      return await this.#launch();
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : String(thrown);
      this.#events.notRestarted(reason);
      return undefined;
    }
  }

  async #launch(): Promise<Run> {
    const run = launch(this.#spec.command(this.#address));
    this.#run = run;
    void run.exited.then(() => {
      if (this.#run === run) this.#run = undefined;
    });
    try {
      this.#address = await untilListening(this.#spec.title, run);
    } catch (thrown) {
      run.child.kill('SIGKILL');
      await run.exited;
      throw thrown;
    }
    this.#events.listening(this.#spec.title, run.pid, this.#address);
    return run;
  }
}

/**
 * V8's worker threads (garbage collection, compilation) are four per process by default; on a small
 * machine those of all processes together would keep every core from readers for milliseconds.
 */
const ENGINE_THREADS_DEFAULT = 4;

function engineFlags(): string[] {
  const threads = Math.max(1, usableCores() - 1);
  return threads < ENGINE_THREADS_DEFAULT ? [`--v8-pool-size=${threads}`] : [];
}

function launch(words: readonly string[]): Run {
  const child = spawn(process.execPath, [...engineFlags(), ...words], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, [SUPERVISED_VARIABLE]: '1' },
  });
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code ?? 'unknown'}`));
    child.once('error', (error) => resolve(error.message));
  });
  return { child, pid: child.pid ?? 0, exited };
}

/** Waits for the child's first message: where it listens, or why it cannot. */
function untilListening(title: string, run: Run): Promise<NodeAddress> {
  return new Promise((resolve, reject) => {
    const fail = (sentence: string, code: ErrorCode = 'IO'): void => {
      clearTimeout(timer);
      reject(new SteleError(code, `${title}: ${sentence}`));
    };
    const timer = setTimeout(
      () => fail(`It did not start within ${START_MS_MAX / 1000} s; its log is above.`),
      START_MS_MAX,
    );
    run.child.on('message', (message) => {
      if (!isChildMessage(message)) return;
      if (message.type === 'failed') {
        fail(message.sentence, message.code);
        return;
      }
      clearTimeout(timer);
      resolve(message.address);
    });
    void run.exited.then((how) => {
      // A role that refuses its command line or environment exits before it can send a message.
      const code = how === `exit code ${EXIT_USAGE}` ? 'INVALID_ARGUMENT' : 'IO';
      fail(`It ended before it was up (${how}); its log is above.`, code);
    });
  });
}
