// The lookups of HTTP and gRPC as spans. The lookup protocol has no room for a context, so the span
// of a lookup, with the datanode that answered, is the last one of a read. Without tracing these
// are the calls of the core.

import { beginSpan, inSpan, isTracing } from '../../../base/process/tracing.ts';
import type { TraceSpan } from '../../../base/process/tracing.ts';
import type { SteleError } from '../../../base/errors.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import type { LookupReceiver } from '../../../routing/waiting.ts';
import type { LookupTarget } from '../../../routing/router.ts';
import type { LookupCore, LookupOptions, LookupOutcome } from './lookup-core.ts';

const NAME = 'lookup';

/** As `core.lookup`. */
export function tracedLookup(
  core: LookupCore,
  keyspace: string,
  keys: readonly Uint8Array[],
  options: LookupOptions = {},
): Promise<LookupOutcome> {
  if (!isTracing()) return core.lookup(keyspace, keys, options);
  const attributes = { 'stele.keyspace': keyspace, 'stele.keys': keys.length };
  return inSpan(NAME, { kind: 'client', attributes }, async (span) => {
    const outcome = await core.lookup(keyspace, keys, options);
    const { failure, nodeIds, statuses, target } = outcome;
    span?.set({
      'stele.version': target.version,
      'stele.nodes': [...new Set(nodeIds)].filter((id) => id !== ''),
      'stele.found': statuses.filter((status) => status === LookupStatus.OK).length,
    });
    if (failure !== undefined) span?.fail(failure.message);
    return outcome;
  });
}

/** As `core.get` for one key of `keyspace`. */
export function tracedGet(
  core: LookupCore,
  keyspace: string,
  target: LookupTarget,
  key: Uint8Array,
  receiver: LookupReceiver,
): void {
  if (!isTracing()) return core.get(target, key, receiver, 0);
  const { version } = target;
  const attributes = { 'stele.keyspace': keyspace, 'stele.keys': 1, 'stele.version': version };
  const span = beginSpan(NAME, { kind: 'client', attributes });
  if (span === undefined) return core.get(target, key, receiver, 0);
  const traced = new TracedReceiver(receiver, span);
  core.get(target, key, traced, 0);
  traced.isCached = false;
}

class TracedReceiver implements LookupReceiver {
  /** What is answered while it is asked for comes from the cache. */
  isCached = true;
  readonly #receiver: LookupReceiver;
  readonly #span: TraceSpan;

  constructor(receiver: LookupReceiver, span: TraceSpan) {
    this.#receiver = receiver;
    this.#span = span;
  }

  get abandoned(): boolean {
    return this.#receiver.abandoned;
  }

  receive(
    index: number,
    status: LookupStatus,
    value: Buffer | undefined,
    nodeId: string,
    failure: SteleError | undefined,
  ): void {
    this.#span.set({
      'stele.cached': this.isCached,
      'stele.found': status === LookupStatus.OK ? 1 : 0,
      'stele.nodes': nodeId === '' ? [] : [nodeId],
    });
    if (failure !== undefined) this.#span.fail(failure.message);
    this.#span.end();
    this.#receiver.receive(index, status, value, nodeId, failure);
  }
}
