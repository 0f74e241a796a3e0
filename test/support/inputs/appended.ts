// A keyspace that is loaded by appends, and its expected content after each: every version rewrites
// the hot keys, so a batch of them shows its version.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { LoadSummary, TestCluster } from '../process/cluster.ts';
import { Reader } from '../readers/reader.ts';
import type { Source } from '../readers/read-attempt.ts';
import { VersionedRows } from './rows.ts';
import { postLookup } from '../readers/sources.ts';

const COLD = 3000;
const ADDED = 40;
const UNCHANGED = 25;

type Row = readonly [string, string];

export class AppendedKeyspace {
  readonly name: string;
  readonly hot = new VersionedRows(300);
  /** The rows of each append, in addition to the hot keys that it replaces. */
  readonly added = ADDED;
  /** By version. */
  readonly models = new Map<number, ReadonlyMap<string, string>>();
  readonly #cluster: TestCluster;
  readonly #folder = mkdtempSync(join(tmpdir(), 'stele-append-'));

  constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster;
    this.name = name;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The expected content of the newest version. */
  get model(): ReadonlyMap<string, string> {
    return this.models.get(Math.max(...this.models.keys())) ?? new Map();
  }

  /** Loads version 1, by an append to nothing. */
  begin(): Promise<LoadSummary> {
    const cold = Array.from({ length: COLD }, (_unused, index): Row => [
      `cold-${index}`,
      `value of ${index}`,
    ]);
    return this.#load(1, [...this.#hotRows(1), ...cold]);
  }

  /**
   * All hot rows with new values, some new rows, and some unchanged ones, on top of version
   * `before`.
   */
  async append(version: number, before = version - 1): Promise<LoadSummary> {
    const fresh = Array.from({ length: ADDED }, (_unused, index): Row => [
      `new-${version}-${index}`,
      `since ${version}`,
    ]);
    const same = Array.from({ length: UNCHANGED }, (_unused, index): Row => [
      `cold-${(index * version) % COLD}`,
      `value of ${(index * version) % COLD}`,
    ]);
    const summary = await this.#load(
      version,
      [...this.#hotRows(version), ...fresh, ...same],
      before,
    );
    expect(summary.append).toEqual({
      base_version: before,
      added: ADDED,
      replaced: this.hot.count,
      unchanged: UNCHANGED,
    });
    return summary;
  }

  /** The digest of a single load of the newest version's content, into another keyspace. */
  async digestOfReplace(): Promise<string> {
    const path = this.#write('whole.data', [...this.model]);
    return (await this.#cluster.load(`${this.name}-whole`, [path])).digest;
  }

  /** Throws unless the current version holds exactly `expected`. */
  async expectRows(expected: ReadonlyMap<string, string> = this.model): Promise<void> {
    const keys = [...expected.keys(), 'absent'];
    const { values } = await postLookup(this.#cluster.url(''), this.name, keys);
    expect(values.pop()).toBeNull();
    expect(values.map(String)).toEqual([...expected.values()]);
  }

  /** The largest number of deltas on a shard, by version. */
  async deltas(): Promise<Map<number, number>> {
    const { versions } = (await this.#cluster.json(`/v1/keyspaces/${this.name}/versions`)) as {
      versions: { version: number; deltas: number }[];
    };
    return new Map(versions.map((each) => [each.version, each.deltas]));
  }

  /** Reads hot keys; a read of several must see one version. */
  reader(source: Source, seed: number, keysPerRead: number): Reader {
    return new Reader([source], { rows: this.hot, keysPerRead, lanes: 1, seed });
  }

  #hotRows(version: number): Row[] {
    return Array.from({ length: this.hot.count }, (_unused, index): Row => {
      const key = this.hot.key(index);
      return [key, this.hot.value(key, version)];
    });
  }

  async #load(version: number, rows: readonly Row[], before = 0): Promise<LoadSummary> {
    const path = this.#write(`${version}.data`, rows);
    const summary = await this.#cluster.load(this.name, [path], ['--mode', 'append']);
    this.models.set(version, new Map([...(this.models.get(before) ?? []), ...rows]));
    expect(summary).toMatchObject({ version, rows: rows.length, records: this.model.size });
    return summary;
  }

  #write(name: string, rows: readonly Row[]): string {
    const path = join(this.#folder, name);
    writeFileSync(path, rows.map(([key, value]) => `${key} ${value}\n`).join(''));
    return path;
  }
}
