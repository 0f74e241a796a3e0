// What `stele follow` prints and writes: a line when something has changed, and metrics in a file.

import { headText, seriesText } from '../../base/process/exposition.ts';
import type { FollowState } from '../../loader/follow/follow.ts';
import { EXIT_FAILED, EXIT_GATE, EXIT_OK } from '../exit.ts';

const SENTENCES: Readonly<Record<FollowState['state'], (state: FollowState) => string>> = {
  current: ({ sourceVersion, version }) =>
    `version ${sourceVersion} there is current here as ${version}`,
  taken: ({ seconds, sourceVersion, version, way }) =>
    `version ${sourceVersion} there is version ${version} here now (as ${way}, ${seconds.toFixed(1)} s)`,
  promoted: ({ sourceVersion, version }) =>
    `version ${sourceVersion} there is current again, version ${version} here`,
  rejected: ({ reason, sourceVersion }) =>
    `version ${sourceVersion} there is refused here: ${reason}`,
  'held-back': ({ reason, sourceVersion }) =>
    `version ${sourceVersion} there is held back: ${reason}`,
  absent: ({ reason }) => reason,
  busy: ({ reason }) => reason,
  failed: ({ reason }) => reason,
};

export function followText(state: FollowState): string {
  return `${state.keyspace}: ${SENTENCES[state.state](state)}`;
}

/** Whether a look found something else than the one before it. */
export function hasChanged(before: FollowState | undefined, now: FollowState): boolean {
  if (before === undefined) return true;
  const isSettled = before.state === 'taken' || before.state === 'promoted';
  const was = isSettled ? 'current' : before.state;
  return (
    was !== now.state || before.sourceVersion !== now.sourceVersion || before.reason !== now.reason
  );
}

/** Of `stele follow --once`. */
export function exitCodeOf(states: readonly FollowState[]): number {
  const all = new Set(states.map(({ state }) => state));
  if (all.has('failed') || all.has('absent') || all.has('busy')) return EXIT_FAILED;
  return all.has('rejected') || all.has('held-back') ? EXIT_GATE : EXIT_OK;
}

/** In the text format of Prometheus, for the textfile collector of its node exporter. */
export function followMetrics(states: readonly FollowState[], nowUnixSeconds: number): string {
  const gauge = (name: string, help: string, valueOf: (state: FollowState) => number): string => {
    const series = states.map((state) => [{ keyspace: state.keyspace }, valueOf(state)] as const);
    return headText(name, 'gauge', help) + seriesText(name, series);
  };
  return [
    gauge(
      'stele_follow_lag_seconds',
      'Age of the version wanted while it is not current here, 0 if it is',
      ({ lagSeconds }) => lagSeconds,
    ),
    gauge(
      'stele_follow_source_version',
      'Number of the version wanted in the other cluster',
      ({ sourceVersion }) => sourceVersion,
    ),
    gauge('stele_follow_rejected', '1 if the version wanted failed its gate here', ({ state }) =>
      Number(state === 'rejected'),
    ),
    gauge('stele_follow_failing', '1 if the last look failed, or found no version', ({ state }) =>
      Number(state === 'failed' || state === 'absent'),
    ),
    gauge(
      'stele_follow_looked_timestamp_seconds',
      'Unix time of the last look',
      () => nowUnixSeconds,
    ),
  ].join('');
}
