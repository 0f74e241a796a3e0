// A program under a pseudo terminal, as a user runs it.

import { stripVTControlCharacters } from 'node:util';
import { spawn } from '@lydell/node-pty';
import type { IPty } from '@lydell/node-pty';
import { onTestFinished } from 'vitest';
import { until } from './stele-process.ts';

/** To be called inside a test; the program is killed when that test has finished. */
export class Terminal {
  /** Home and working directory of the program. */
  readonly home: string;
  readonly #pty: IPty;
  #text = '';
  #seen = 0;
  exitCode: number | undefined;

  constructor(program: string, args: readonly string[], home: string) {
    this.home = home;
    this.#pty = spawn(program, [...args], {
      cols: 120,
      rows: 40,
      cwd: home,
      env: { ...process.env, HOME: home, TERM: 'xterm', NO_COLOR: '' },
    });
    this.#pty.onData((data) => (this.#text += data));
    this.#pty.onExit(({ exitCode }) => (this.exitCode = exitCode));
    onTestFinished(() => {
      if (this.exitCode === undefined) this.#pty.kill('SIGKILL');
    });
  }

  /** Waits for text that arrived since the last call; returns everything up to and including it. */
  async shows(wanted: string | RegExp): Promise<string> {
    let end = -1;
    const pattern = typeof wanted === 'string' ? undefined : wanted;
    const isShown = (): boolean => {
      const fresh = stripVTControlCharacters(this.#text).slice(this.#seen);
      const match = pattern === undefined ? fresh.indexOf(wanted as string) : fresh.search(pattern);
      const found = pattern === undefined ? (wanted as string) : (pattern.exec(fresh)?.[0] ?? '');
      end = match < 0 ? -1 : match + found.length;
      return end >= 0;
    };
    await until(`${wanted} on the terminal`, isShown).catch((thrown: Error) => {
      throw new Error(`${thrown.message}, which shows ${JSON.stringify(this.#text)}`);
    });
    const text = stripVTControlCharacters(this.#text).slice(this.#seen, this.#seen + end);
    this.#seen += end;
    return text;
  }

  type(keys: string): void {
    this.#pty.write(keys);
  }

  get raw(): string {
    return this.#text;
  }

  async exited(): Promise<number> {
    await until('the exit', () => this.exitCode !== undefined);
    return this.exitCode ?? -1;
  }
}
