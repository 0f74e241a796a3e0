// The catalog that is durable in etcd, read from its keys by another way than the product's: a
// transaction counts from the moment at which its entries or its journal are written, and a journal
// is an overlay until it is applied.

import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Change } from '../../../master/catalog/catalog.ts';
import { parseKey, recordOf } from '../../../master/catalog/records.ts';
import type { EtcdEntry, EtcdEvent } from '../../../master/metadata/etcd/api.ts';
import { loadValue, piecesOf } from '../../../master/metadata/etcd/layout.ts';
import type { EtcdLayout } from '../../../master/metadata/etcd/layout.ts';
import type { Entry } from '../../../master/metadata/port.ts';
import type { Stored } from './metadata.ts';

/** Key -> value; undefined: it is deleted. */
export type Written = ReadonlyMap<string, string | undefined>;

export interface CatalogReader {
  /** Each transaction, when it is durable. */
  changed(changes: readonly Change[], before: CatalogState, after: CatalogState): void;
  /** The same, as it was written. */
  written(written: Written): void;
  fail(what: string): void;
}

export class EtcdCatalog {
  readonly #layout: EtcdLayout;
  readonly #reader: CatalogReader;
  /** Key of the catalog -> its stored text. */
  readonly #texts = new Map<string, string>();
  readonly #pieces = new Map<string, Buffer>();
  #journal: { readonly text: string; readonly steps: ReadonlyMap<string, string> } | undefined;
  /** By revision. */
  readonly #made = new Map<number, Written>();
  stored: Stored = { revision: 0, entries: new Map(), catalog: emptyCatalog() };

  constructor(layout: EtcdLayout, reader: CatalogReader) {
    this.#layout = layout;
    this.#reader = reader;
  }

  /** What the transaction of a revision wrote. */
  madeAt(revision: number): Written | undefined {
    return this.#made.get(revision);
  }

  reset(entries: Iterable<EtcdEntry>, revision: number): void {
    this.#texts.clear();
    this.#pieces.clear();
    this.#journal = undefined;
    this.#made.clear();
    this.stored = { revision, entries: new Map(), catalog: emptyCatalog() };
    const all = [...entries];
    const { catalog, journal, pieces } = this.#layout;
    for (const first of [pieces, catalog, journal]) {
      const part = all.filter(({ key }) => key.startsWith(first));
      this.#store(this.#read(part.map((entry) => ({ kind: 'put', entry }))), revision);
    }
  }

  /** Whether the events of this revision change the catalog. */
  take(events: readonly EtcdEvent[], revision: number): boolean {
    const before = this.stored.catalog;
    const written = this.#read(events);
    if (written.size === 0) return false;
    const changes = this.#store(written, revision);
    this.#made.set(revision, written);
    this.#reader.written(written);
    this.#reader.changed(changes, before, this.stored.catalog);
    return true;
  }

  #store(written: Written, revision: number): Change[] {
    const entries = new Map<string, Entry>(this.stored.entries);
    const changes: Change[] = [];
    for (const [key, value] of written) {
      if (value === undefined) entries.delete(key);
      else entries.set(key, { key, value, revision });
      const place = parseKey(key);
      if (place === undefined) continue;
      const record = value === undefined ? undefined : recordOf(key, JSON.parse(value));
      changes.push({ ...place, record } as Change);
    }
    const catalog = applyChanges(this.stored.catalog, changes);
    this.stored = { revision, entries, catalog };
    return changes;
  }

  /** Takes over what is stored, and returns what it comes to in the catalog. */
  #read(events: readonly EtcdEvent[]): Written {
    const { catalog, journal, pieces } = this.#layout;
    const written = new Map<string, string | undefined>();
    const removed: string[] = [];
    for (const event of events) {
      const key = event.kind === 'put' ? event.entry.key : event.key;
      const value = event.kind === 'put' ? event.entry.value : undefined;
      if (key.startsWith(pieces)) {
        const hash = key.slice(pieces.length);
        if (value !== undefined) this.#pieces.set(hash, value);
        else if (this.#pieces.delete(hash)) removed.push(hash);
      } else if (key === journal) this.#journalIs(value?.toString(), written);
      else if (key.startsWith(catalog))
        this.#entryIs(key.slice(catalog.length), value?.toString(), written);
    }
    if (removed.length > 0) this.#nothingNames(new Set(removed));
    return written;
  }

  #entryIs(key: string, text: string | undefined, written: Map<string, string | undefined>): void {
    if (text === undefined) this.#texts.delete(key);
    else this.#texts.set(key, text);
    if (this.#journal === undefined) {
      written.set(key, text === undefined ? undefined : this.#valueOf(key, text));
    } else if (this.#journal.steps.get(key) !== (text ?? '')) {
      this.#reader.fail(`${key} is written otherwise than the journal has it`);
    }
  }

  #journalIs(text: string | undefined, written: Map<string, string | undefined>): void {
    if (text === undefined) {
      for (const [key, step] of this.#journal?.steps ?? []) {
        if ((this.#texts.get(key) ?? '') !== step)
          this.#reader.fail(`the journal is gone before ${key} is written`);
      }
      this.#journal = undefined;
      return;
    }
    if (this.#journal !== undefined) this.#reader.fail('a journal is written over another one');
    const steps = JSON.parse(this.#valueOf('journal', text)) as { key: string; text?: string }[];
    this.#journal = { text, steps: new Map(steps.map((step) => [step.key, step.text ?? ''])) };
    for (const step of steps) {
      written.set(
        step.key,
        step.text === undefined ? undefined : this.#valueOf(step.key, step.text),
      );
    }
  }

  #valueOf(key: string, text: string): string {
    try {
      return loadValue(key, text, (hash) => this.#pieces.get(hash));
    } catch (thrown) {
      this.#reader.fail(String(thrown));
      return 'null';
    }
  }

  #nothingNames(removed: ReadonlySet<string>): void {
    const texts = [...this.#texts, ['the journal', this.#journal?.text ?? ''] as const];
    for (const [key, step] of this.#journal?.steps ?? []) texts.push([key, step]);
    for (const [key, text] of texts) {
      if (piecesOf(text).some((hash) => removed.has(hash)))
        this.#reader.fail(`a piece of ${key} is removed`);
    }
  }
}
