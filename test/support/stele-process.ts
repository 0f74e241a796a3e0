// Real `stele` processes for end-to-end tests: started from the built output, ended by pid.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(PROJECT, 'dist', 'cli', 'main.js');

export interface Addresses {
  readonly title: string;
  readonly pid: number;
  readonly host: string;
  readonly http: number;
  readonly resp: number;
  readonly grpc: number;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<SteleProcess>();
// A test runner that dies must not leave clusters behind.
process.once('exit', () => {
  for (const started of running) started.child.kill('SIGKILL');
});

/** One process of the command line, with what it has printed so far. */
export class SteleProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #finished: Promise<Finished>;

  constructor(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ) {
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd ?? PROJECT,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#finished = once(this.child, 'close').then(([code, signal]) => {
      running.delete(this);
      return { code, signal, stdout: this.stdout, stderr: this.stderr } as Finished;
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Resolves when the process has ended. */
  finished(): Promise<Finished> {
    return this.#finished;
  }

  /** Resolves when `pattern` is in stdout. Throws when the process ends before, or after `deadlineMs`. */
  async printed(pattern: RegExp, deadlineMs = 30_000): Promise<void> {
    let ended = false;
    void this.#finished.then(() => (ended = true));
    await until(
      `${pattern} in the output`,
      () => {
        if (pattern.test(this.stdout)) return true;
        if (ended) throw new Error(`ended early: ${this.stdout}\n${this.stderr}`);
        return false;
      },
      deadlineMs,
    );
  }

  /** The addresses in the lines printed so far. */
  addresses(): Addresses[] {
    const line = /^(\S+(?: \S+)?) pid (\d+) http (\S+):(\d+) resp \S+:(\d+) grpc \S+:(\d+)$/gm;
    return [...this.stdout.matchAll(line)].map((match) => ({
      title: match[1] ?? '',
      pid: Number(match[2]),
      host: match[3] ?? '',
      http: Number(match[4]),
      resp: Number(match[5]),
      grpc: Number(match[6]),
    }));
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Finished> {
    this.child.kill(signal);
    return this.#finished;
  }
}

/** Runs one command to its end. */
export function stele(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Finished> {
  return new SteleProcess(args, options).finished();
}

/** Waits until `condition` holds, looking every 20 ms; throws after `deadlineMs` saying what for. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
): Promise<void> {
  const deadlineAt = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadlineAt) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
