// A small file that may be replaced while the process runs, such as one with secrets or keys.
//
// It is read again when its content is asked for, at most once a second: nothing watches it, so
// nothing has to be closed. What cannot be used is reported at the second look (at the first,
// somebody may be writing), and the content before stays.

import { readFileSync } from 'node:fs';
import { monotonicNowMs } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { SteleError, toSteleError } from '../errors.ts';
import type { Logger } from '../log.ts';

const LOOK_EVERY_MS = 1000;

export interface ReloadedFileOptions<Content> {
  readonly path: string;
  /** The setting that names the file, for messages: `--cluster-secret-file`. */
  readonly what: string;
  /** What it throws must not repeat the text, which may be secret. */
  readonly parse: (text: string) => Content;
  readonly log?: Logger | undefined;
  readonly nowMs?: Clock;
}

export class ReloadedFile<Content> {
  readonly #options: ReloadedFileOptions<Content>;
  readonly #nowMs: Clock;
  #text: string;
  #content: Content;
  #lookedMs: number;
  /** The messages of the last look that failed, and of the one that was reported. */
  #failure = '';
  #reported = '';

  /** Reads the file. Throws INVALID_ARGUMENT, and what `parse` throws. */
  constructor(options: ReloadedFileOptions<Content>) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? monotonicNowMs;
    this.#lookedMs = this.#nowMs();
    this.#text = this.#read();
    this.#content = options.parse(this.#text);
  }

  /** As of less than a second ago. */
  get content(): Content {
    const nowMs = this.#nowMs();
    if (nowMs - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#lookedMs = nowMs;
      this.#look();
    }
    return this.#content;
  }

  #look(): void {
    const { log, parse, what } = this.#options;
    try {
      const text = this.#read();
      if (text !== this.#text) {
        this.#content = parse(text);
        this.#text = text;
        log?.info(`the new content of ${what} is in use`);
      }
      this.#failure = this.#reported = '';
    } catch (thrown) {
      const { message } = toSteleError(thrown);
      if (this.#failure === message && this.#reported !== message) {
        this.#reported = message;
        log?.error(`the new content of ${what} is not used, that before stays: ${message}`);
      }
      this.#failure = message;
    }
  }

  #read(): string {
    const { path, what } = this.#options;
    try {
      return readFileSync(path, 'utf8');
    } catch (thrown) {
      const { message } = toSteleError(thrown);
      throw new SteleError('INVALID_ARGUMENT', `${what} cannot be read: ${message}.`, {
        cause: thrown,
      });
    }
  }
}
