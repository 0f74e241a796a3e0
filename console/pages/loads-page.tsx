// Bulk loads: those that run, by stage, and those that have ended.

import type { Load } from '../api/shapes.ts';
import { ofCancellation } from '../format/consequences.ts';
import { bytes, count, percent, plural } from '../format/numbers.ts';
import { duration } from '../format/times.ts';
import { Nothing, PageTitle, Scroll, State, Time } from '../parts/small.tsx';
import { loads } from '../state/answers.ts';
import { propose } from '../state/changes.ts';
import { bytesPerSecond, stagesOf } from '../state/load-progress.ts';
import { hrefOf } from '../state/place.ts';
import { usePolled } from '../state/polled.ts';
import { may } from '../state/session.ts';

const POLL_MS = 1000;

export function LoadsPage() {
  const all = usePolled(loads, POLL_MS)?.loads;
  const running = all?.filter(({ state }) => state === 'RUNNING') ?? [];
  const ended = all?.filter(({ state }) => state !== 'RUNNING') ?? [];
  return (
    <>
      <PageTitle text="Loads" />
      <h2>Running</h2>
      {running.length === 0 && <Nothing isKnown={all !== undefined} text="No load is running." />}
      {running.map((load) => (
        <RunningLoad key={load.id} load={load} />
      ))}
      <h2>Ended</h2>
      {ended.length === 0 ? (
        <Nothing
          isKnown={all !== undefined}
          text="No load has ended yet. `stele load KEYSPACE FILE` starts one."
        />
      ) : (
        <History loads={ended} />
      )}
    </>
  );
}

function RunningLoad({ load }: { readonly load: Load }) {
  const { bytes_done, bytes_total, keyspace, owner, shards_done, shards_total, source } = load;
  const perSecond = bytesPerSecond(load, Date.now());
  const by = owner === null ? '' : ` by ${owner.user === '' ? '' : `${owner.user}@`}${owner.host}`;
  return (
    <section class="card" aria-label={`Load of ${keyspace}`}>
      <h3>
        {keyspace}: {load.mode} from {source}
      </h3>
      <p>
        Started <Time at={load.started_at} />
        {by}; {plural(load.rows, 'row')} read
        {load.rejected > 0 && `, ${plural(load.rejected, 'row')} rejected`}; {bytes(bytes_done)} of{' '}
        {bytes(bytes_total)}
        {perSecond !== null && ` (${bytes(perSecond)}/s)`}; {count(shards_done)} of{' '}
        {plural(shards_total, 'shard')} built.
        {load.silent_ms > 5000 && ` Silent for ${duration(load.silent_ms)}.`}
      </p>
      <ol class="stages">
        {stagesOf(load).map(({ is, share, stage }) => (
          <li
            key={stage}
            aria-current={is === 'now' ? 'step' : undefined}
            class={is.replace(' ', '-')}
          >
            <span>
              {stage}
              {is === 'done' && ' ✓'}
              {is === 'now' && share > 0 && ` ${percent(Math.floor(100 * share) / 100)}`}
            </span>
            <progress
              max={1}
              value={stage === 'commit' && is === 'now' ? undefined : share}
              aria-label={`${stage} of ${keyspace}`}
            />
          </li>
        ))}
      </ol>
      {may('load', keyspace) && (
        <button
          type="button"
          onClick={() =>
            propose({
              title: `Cancel the load of ${keyspace}?`,
              consequences: ofCancellation(keyspace),
              action: 'Cancel the load',
              isDangerous: true,
              path: () => `v1/loads/${load.id}/cancel`,
              request: { method: 'POST', body: { reason: 'cancelled in the console' } },
              done: `The load of ${keyspace} is cancelled.`,
            })
          }
        >
          Cancel load ...
        </button>
      )}
    </section>
  );
}

function History({ loads: ended }: { readonly loads: readonly Load[] }) {
  return (
    <Scroll label="Loads that have ended">
      <table>
        <thead>
          <tr>
            <th scope="col">Keyspace</th>
            <th scope="col">Result</th>
            <th scope="col">Mode</th>
            <th scope="col" class="number">
              Version
            </th>
            <th scope="col" class="number">
              Rows read
            </th>
            <th scope="col" class="number">
              Rejected
            </th>
            <th scope="col">Ended</th>
            <th scope="col">Took</th>
            <th scope="col">Source, and why it ended so</th>
          </tr>
        </thead>
        <tbody>
          {ended.map((load) => (
            <tr key={load.id}>
              <th scope="row">
                <a href={hrefOf('keyspaces', load.keyspace)}>{load.keyspace}</a>
              </th>
              <td>
                <State word={load.state} />
              </td>
              <td>{load.mode}</td>
              <td class="number">{load.version ?? '–'}</td>
              <td class="number">{count(load.rows)}</td>
              <td class="number">{count(load.rejected)}</td>
              <td>
                <Time at={load.ended_at} />
              </td>
              <td>{tookText(load)}</td>
              <td class="text">
                {load.source}
                {load.input !== null && <small>{load.input}</small>}
                {load.reason !== null && <small class="reason">{load.reason}</small>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function tookText({ ended_at: end, started_at: start }: Load): string {
  return end === null ? '–' : duration(Date.parse(end) - Date.parse(start));
}
