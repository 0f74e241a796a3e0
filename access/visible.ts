// What a caller sees of answers that are about several keyspaces: those that it may read; and of
// the list of tokens.
//
// Without a subject (without --auth on) that is everything.

import type {
  GetHealthResponse,
  GetReadCountersResponse,
  ListKeyspacesResponse,
  ListLoadsResponse,
} from '../proto/gen/stele/v1/cluster.ts';
import type { ReadCounters } from '../proto/gen/stele/v1/counters.ts';
import type { ClusterView } from '../proto/gen/stele/v1/view.ts';
import type { ListTokensResponse } from '../proto/gen/stele/v1/access.ts';
import type { Subject } from './subject.ts';

type Seer = Subject | undefined;

export function mayRead(subject: Seer, keyspace: string): boolean {
  return subject === undefined || subject.may('read', keyspace);
}

function seesAll(subject: Seer): boolean {
  return subject === undefined || subject.may('read');
}

export function visibleKeyspaces(
  subject: Seer,
  answer: ListKeyspacesResponse,
): ListKeyspacesResponse {
  return { ...answer, keyspaces: answer.keyspaces.filter(({ name }) => mayRead(subject, name)) };
}

export function visibleLoads(subject: Seer, answer: ListLoadsResponse): ListLoadsResponse {
  return { ...answer, loads: answer.loads.filter(({ keyspace }) => mayRead(subject, keyspace)) };
}

/** Totals are about no keyspace alone. */
export function visibleCounters(
  subject: Seer,
  answer: GetReadCountersResponse,
): GetReadCountersResponse {
  if (seesAll(subject)) return answer;
  const visible = (counters: ReadCounters): ReadCounters => ({
    ...counters,
    keyspaces: counters.keyspaces.filter(({ keyspace }) => mayRead(subject, keyspace)),
  });
  return {
    nodes: answer.nodes.map(({ counters, ...node }) => ({
      ...node,
      trouble: '',
      ...(counters === undefined ? {} : { counters: visible(counters) }),
    })),
    own: answer.own === undefined ? undefined : visible(answer.own),
  };
}

/** Reasons and troubles are sentences that may name keyspaces. */
export function visibleHealth(subject: Seer, health: GetHealthResponse): GetHealthResponse {
  if (seesAll(subject)) return health;
  return {
    ...health,
    reasons: [],
    nodes: health.nodes.map((node) => ({ ...node, trouble: '' })),
    uncovered: health.uncovered.map((shard) => ({
      ...shard,
      keyspaces: shard.keyspaces.filter((name) => mayRead(subject, name)),
    })),
  };
}

/** The same object if the subject sees all of it, so that it is encoded once for all of those. */
export function visibleView(subject: Seer, view: ClusterView): ClusterView {
  if (seesAll(subject)) return view;
  return { ...view, keyspaces: view.keyspaces.filter(({ name }) => mayRead(subject, name)) };
}

const KEYSPACE_LABEL = /[{,]keyspace="([^"]*)"/;

/** Metrics in Prometheus' text format, without the series of other keyspaces. */
export function visibleMetrics(subject: Seer, text: string): string {
  if (seesAll(subject)) return text;
  const isVisible = (line: string): boolean => {
    const keyspace = KEYSPACE_LABEL.exec(line)?.[1];
    return keyspace === undefined || mayRead(subject, keyspace);
  };
  return text.split('\n').filter(isVisible).join('\n');
}

/** Those of the subject itself; with the right `admin`, all. */
export function visibleTokens(subject: Seer, answer: ListTokensResponse): ListTokensResponse {
  if (subject === undefined || subject.may('admin')) return answer;
  return { tokens: answer.tokens.filter(({ user }) => user === subject.name) };
}
