// The keys of the commands of this session, for Tab.

import { argumentAt, docsOf } from './command-docs.ts';
import type { CommandDocs } from './command-docs.ts';

const KEYS_MAX = 500;
const KEY_CHARACTERS_MAX = 256;
/** What can be typed without quotes. */
const PLAIN = /^[^\s"'\\]+$/;

export class RecentKeys {
  /** Oldest first. */
  readonly #keys = new Set<string>();

  /** Remembers the keys of a command that was sent. */
  add(args: readonly (string | Buffer)[], docs: ReadonlyMap<string, CommandDocs>): void {
    const words = args.map(String);
    const match = docsOf(docs, words);
    if (match === undefined) return;
    words.slice(match.nameWords).forEach((word, index) => {
      if (argumentAt(match.found, index)?.isKey === true) this.#addKey(word);
    });
  }

  #addKey(key: string): void {
    if (key.length > KEY_CHARACTERS_MAX || !PLAIN.test(key)) return;
    this.#keys.delete(key);
    this.#keys.add(key);
    const [oldest] = this.#keys;
    if (this.#keys.size > KEYS_MAX && oldest !== undefined) this.#keys.delete(oldest);
  }

  /** The keys that begin with `start`, newest first. */
  startingWith(start: string): string[] {
    return [...this.#keys].filter((key) => key.startsWith(start)).reverse();
  }
}
