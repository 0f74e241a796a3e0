// Health in a sentence, what is wrong, what is being done about it, and the numbers of the last
// minutes.

import { useMemo, useRef } from 'preact/hooks';
import type { Health, Load } from '../api/shapes.ts';
import { JobList } from '../parts/job-list.tsx';
import { Nothing, PageTitle, State } from '../parts/small.tsx';
import { health, keyspaces, loads } from '../state/answers.ts';
import { loadJobs } from '../state/load-progress.ts';
import { usePolled } from '../state/polled.ts';
import { ProgressWatch } from '../state/progress.ts';
import { healthSentence, healthTitle, troublesOf } from '../state/sentences.ts';
import { OverviewCharts } from './overview-charts.tsx';

const POLL_MS = 1000;
const SLOW_POLL_MS = 5000;

export function OverviewPage() {
  const now = usePolled(health, POLL_MS);
  const data = usePolled(keyspaces, SLOW_POLL_MS)?.keyspaces;
  const all = usePolled(loads, SLOW_POLL_MS)?.loads;
  return (
    <>
      <PageTitle text="Overview" />
      {now === undefined ? (
        <Nothing isKnown={false} text="" />
      ) : (
        <>
          <section class={`card health ${now.status}`} aria-label="Health">
            <h2>
              <State word={now.status} /> {healthTitle(now.status)}
            </h2>
            <p role="status">{healthSentence(now)}</p>
          </section>
          <Troubles health={now} keyspaces={data ?? []} loads={all ?? []} />
          <Jobs health={now} loads={all ?? []} />
        </>
      )}
      <OverviewCharts />
    </>
  );
}

function Troubles(props: {
  readonly health: Health;
  readonly keyspaces: Parameters<typeof troublesOf>[1];
  readonly loads: readonly Load[];
}) {
  const troubles = troublesOf(props.health, props.keyspaces, props.loads);
  if (troubles.length === 0) return null;
  return (
    <section class="card" aria-label="What is wrong">
      <h2>What is wrong, and what is done about it</h2>
      <ul class="troubles">
        {troubles.map(({ doing, id, level, what }) => (
          <li key={id} class={level}>
            <strong>{what}</strong> {doing}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Jobs({
  health: now,
  loads: all,
}: {
  readonly health: Health;
  readonly loads: readonly Load[];
}) {
  const watch = useRef<ProgressWatch | undefined>(undefined);
  watch.current ??= new ProgressWatch();
  const ofCluster = useMemo(() => watch.current?.look(now, performance.now()) ?? [], [now]);
  const jobs = [...ofCluster, ...loadJobs(all, Date.now())];
  if (jobs.length === 0) return null;
  return (
    <section class="card" aria-label="In progress">
      <h2>In progress</h2>
      <JobList jobs={jobs} />
    </section>
  );
}
