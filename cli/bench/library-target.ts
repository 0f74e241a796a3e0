// Reads through the client library: each goes straight to a datanode that holds the key.

import type { SteleClient } from '../../client/stele-client.ts';
import { toSteleError } from '../../base/errors.ts';
import { MISS, failed } from './read-target.ts';
import type { OnOutcome, ReadTarget } from './read-target.ts';

export class LibraryTarget implements ReadTarget {
  readonly name = 'library';
  readonly #client: SteleClient;
  readonly #keyspace: string;
  readonly #keys: readonly Buffer[];

  constructor(keys: readonly Buffer[], client: SteleClient, keyspace: string) {
    this.#client = client;
    this.#keyspace = keyspace;
    this.#keys = keys;
  }

  read(_slot: number, key: number, done: OnOutcome): void {
    this.#client.get(this.#keyspace, this.#keys[key] ?? '').then(
      (value) => done(value === null ? MISS : { status: 'hit', value }),
      (thrown: unknown) => done(failed(toSteleError(thrown).code)),
    );
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
