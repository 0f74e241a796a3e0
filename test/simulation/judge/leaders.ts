// What must hold of several masters, of which one leads.
//
//   at most one has a lease that counts, at every moment       oneLeads
//   none counts on a lease whose time is over at etcd          expired
//   no order is sent without such a lease                      sent
//   only who leads changes the catalog                         written
//   a change that was made is there, as it was asked for       judged
//   one is made once, in the order of asking, and never if
//   it was refused                                             written
//   who takes over knows all that was made                     knowsAll

import { toSteleError } from '../../../base/errors.ts';
import type { EtcdEntry } from '../../../master/metadata/etcd/api.ts';
import { changing } from '../../../master/metadata/port.ts';
import type { Entry, Metadata, Write } from '../../../master/metadata/port.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { SimProcess } from '../world/clock.ts';
import type { Written } from '../world/etcd-catalog.ts';
import type { SimEtcd } from '../world/etcd.ts';
import type { CallName } from '../world/links.ts';

export class LeaderJudge {
  readonly #cluster: Cluster;
  /** By master: whether its lease counts, of its present term. */
  readonly #terms = new Map<SimProcess, { readonly life: number; isValid(): boolean }>();
  /** By master: the last change that it has asked its store for. */
  readonly #asked = new Map<SimProcess, { readonly text: string; isMade: boolean }>();
  /** Changes that the store has refused. */
  readonly #refused = new Set<string>();
  /** Times at which a master began to lead. */
  takeOvers = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  leads(master: SimProcess): boolean {
    const term = this.#terms.get(master);
    return term !== undefined && term.life === master.life && master.alive && term.isValid();
  }

  begins(master: SimProcess, isValid: () => boolean): void {
    this.#terms.set(master, { life: master.life, isValid });
    this.takeOvers++;
  }

  oneLeads(): void {
    const leading = [...this.#terms.keys()].filter((master) => this.leads(master));
    if (leading.length > 1) this.#fail(`${leading.map(({ id }) => id).join()} lead`);
  }

  /** The time of a lease is over, which these keys go with. */
  expired(entries: readonly EtcdEntry[], { layout }: Pick<SimEtcd, 'layout'>): void {
    for (const entry of entries) {
      if (entry.key !== layout.leader) continue;
      const master = this.#cluster.masters.find(({ id }) => id === holderOf(entry));
      if (master !== undefined && this.leads(master))
        this.#fail(`the lease of ${master.id} is over, and it still leads`);
    }
  }

  sent(master: SimProcess, name: CallName, request: unknown): void {
    const isOrder = (request as { header?: unknown }).header !== undefined;
    if (isOrder && !this.leads(master))
      this.#fail(`${master.id} sends ${name}, and has no lease that counts`);
  }

  written(written: Written): void {
    const { etcd } = this.#cluster;
    const holder = holderOf(etcd?.leader);
    if (etcd?.writer !== undefined && holder !== etcd.writer.id)
      this.#fail(`${etcd.writer.id} changes the catalog, and ${holder || 'nobody'} leads`);
    const text = textOf(written);
    if (this.#refused.has(text)) this.#fail('a change is made that was refused');
    const asked = etcd?.writer && this.#asked.get(etcd.writer);
    if (asked?.text !== text || asked.isMade)
      this.#fail(`a change of ${holder} is made once more, or after a later one`);
    else asked.isMade = true;
  }

  judged(master: SimProcess, store: Metadata): Metadata {
    return {
      close: () => store.close(),
      list: async (prefix) => {
        const found = await store.list(prefix);
        this.#knowsAll(master, found);
        return found;
      },
      transaction: async (writes) => {
        const text = textOf(writtenBy(writes));
        this.#refused.delete(text);
        this.#asked.set(master, { text, isMade: false });
        try {
          const revision = await store.transaction(writes);
          if (revision === undefined) return revision;
          const made = this.#cluster.etcd?.catalog.madeAt(revision);
          if (made === undefined || textOf(made) !== text)
            this.#fail(`${master.id} is told of a change that was not made`);
          return revision;
        } catch (thrown) {
          if (toSteleError(thrown).code !== 'OUTCOME_UNKNOWN') this.#refused.add(text);
          throw thrown;
        }
      },
    };
  }

  /** Who leads has read everything, and changed nothing yet. */
  #knowsAll(master: SimProcess, found: readonly Entry[]): void {
    const { etcd } = this.#cluster;
    if (etcd === undefined || !this.leads(master) || holderOf(etcd.leader) !== master.id) return;
    const known = new Map(found.map(({ key, value }) => [key, value]));
    const stored = etcd.stored.entries;
    for (const key of new Set([...known.keys(), ...stored.keys()])) {
      if (known.get(key) !== stored.get(key)?.value)
        this.#fail(`${master.id} takes over, and does not know ${key} as it is stored`);
    }
  }

  #fail(what: string): void {
    this.#cluster.judge.fail(what);
  }
}

/** The id of the master whose leader key this is. */
function holderOf(entry: EtcdEntry | undefined): string {
  if (entry === undefined) return '';
  const { address } = JSON.parse(entry.value.toString()) as { readonly address: string };
  return address.split(':')[0] ?? '';
}

function writtenBy(writes: readonly Write[]): Written {
  return new Map(
    changing(writes).map((write) => [write.key, write.kind === 'put' ? write.value : undefined]),
  );
}

/** Without deletions, of which some delete nothing. */
function textOf(written: Written): string {
  const puts = [...written].filter(([, value]) => value !== undefined);
  return JSON.stringify(puts.sort(([left], [right]) => (left < right ? -1 : 1)));
}
