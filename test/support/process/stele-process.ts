// Real `stele` processes for end-to-end tests: started from the built output, ended by pid.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { guard, unguard } from './watchdog.ts';

export const PROJECT = fileURLToPath(new URL('../../..', import.meta.url));
const MAIN = join(PROJECT, 'dist', 'cli', 'main.js');

/**
 * URL of the compiled form of a source file, for a process or thread that imports it by itself.
 * Throws if either is missing, because a leftover of an earlier build is not the product.
 */
export function builtModule(source: string): string {
  const built = join(PROJECT, 'dist', source.replace(/\.ts$/, '.js'));
  if (!existsSync(join(PROJECT, source))) throw new Error(`there is no source file ${source}`);
  if (!existsSync(built)) throw new Error(`${source} is not built; run \`npm run build\``);
  return pathToFileURL(built).href;
}

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

/** One process of the command line, with its output so far. */
export class SteleProcess {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #finished: Promise<Finished>;

  constructor(
    args: readonly string[],
    options: {
      cwd?: string;
      env?: Record<string, string>;
      script?: string;
      /** Input through a pipe; without it there is no stdin. */
      stdin?: string;
      /** A program and its arguments that exec the process, such as `ip netns exec NAME`. */
      within?: readonly string[];
      /** What is run, if not the built command; with `args` after it. */
      command?: readonly string[];
    } = {},
  ) {
    const command = options.command ?? [process.execPath, options.script ?? MAIN];
    const [program = '', ...words] = [...(options.within ?? []), ...command];
    this.child = spawn(program, [...words, ...args], {
      cwd: options.cwd ?? PROJECT,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.end(options.stdin);
    const { pid } = this;
    guard(pid);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#finished = once(this.child, 'close').then(([code, signal]) => {
      unguard(pid);
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  /** Resolves when the process has ended. */
  finished(): Promise<Finished> {
    return this.#finished;
  }

  /**
   * Resolves when `pattern` is in stdout. Throws if the process ends first, or after `deadlineMs`.
   */
  async printed(pattern: RegExp, deadlineMs = 30_000): Promise<void> {
    let ended = false;
    void this.#finished.then(() => (ended = true));
    const deadlineAt = performance.now() + deadlineMs;
    await until(
      `${pattern} in the output`,
      () => {
        if (pattern.test(this.stdout)) return true;
        const how = ended ? 'ended early' : `${pattern} is not there after ${deadlineMs} ms`;
        if (ended || performance.now() > deadlineAt) {
          throw new Error(`${how}: ${this.stdout}\n${this.stderr}`);
        }
        return false;
      },
      2 * deadlineMs,
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

/** `--flag value` words; a list repeats the flag, and `true` adds only the flag. */
export function flags(
  values: Readonly<Record<string, string | number | true | readonly string[]>>,
): string[] {
  return Object.entries(values).flatMap(([name, value]) => {
    if (value === true) return [`--${name}`];
    const each = Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    return each.flatMap((one) => [`--${name}`, one]);
  });
}

/** Free ports for everything. */
export const ANY_PORTS: readonly string[] = flags({
  'http-port': 0,
  'resp-port': 0,
  'grpc-port': 0,
});

/** Whether `pid` is running; a zombie is not. */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

/** The pids of a running process's children. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .split(' ')
    .map(Number)
    .filter(Boolean);
}

/** Runs one command to its end. */
export function stele(
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string>; stdin?: string; script?: string } = {},
): Promise<Finished> {
  return new SteleProcess(args, options).finished();
}

/**
 * Polls `condition` every `everyMs` until it holds; throws after `deadlineMs`, naming what was
 * awaited.
 */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 20_000,
  everyMs = 20,
): Promise<void> {
  const deadlineAt = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > deadlineAt) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/**
 * `stderr` with the errors and notices of `-o json` converted to the sentences that are printed
 * without it.
 */
export function sentencesOf(stderr: string): string {
  return stderr.replaceAll(/^\{"(?:error|notice)":.*$/gm, (line) => {
    const { error, notice } = JSON.parse(line) as Record<string, { message: string }>;
    return `stele: ${(error ?? notice)?.message}`;
  });
}
