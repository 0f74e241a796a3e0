// Datanodes and masters: state, load, latency, memory, disk, trouble; drain, resume, remove.

import { nodePath } from '../api/paths.ts';
import type { Masters, Node } from '../api/shapes.ts';
import { ofDrain, ofNodeResumption, ofRemoval } from '../format/consequences.ts';
import { bytes, count, latency, percent, rate } from '../format/numbers.ts';
import { duration } from '../format/times.ts';
import { Meter, Nothing, PageTitle, Scroll, State, Time } from '../parts/small.tsx';
import { health, masters, stats } from '../state/answers.ts';
import { propose } from '../state/changes.ts';
import { usePolled } from '../state/polled.ts';
import { nodeLookups } from '../state/samples.ts';
import { may } from '../state/session.ts';

const POLL_MS = 1000;
const SLOW_POLL_MS = 5000;

export function NodesPage() {
  const nodes = usePolled(health, POLL_MS)?.nodes;
  const latencies = new Map(
    usePolled(stats, POLL_MS)?.nodes.map(({ id, latency_ms: ms }) => [id, ms]),
  );
  const canChange = may('operate');
  return (
    <>
      <PageTitle text="Nodes" />
      {!canChange && (
        <p class="hint">
          To drain, resume or remove a datanode needs the right operate on everything.
        </p>
      )}
      <h2>Datanodes</h2>
      {nodes === undefined || nodes.length === 0 ? (
        <Nothing isKnown={nodes !== undefined} text="No datanode has joined yet." />
      ) : (
        <Scroll label="Datanodes">
          <table>
            <thead>
              <tr>
                <th scope="col">Datanode</th>
                <th scope="col">State</th>
                <th scope="col">Zone</th>
                <th scope="col" class="number">
                  Copies
                </th>
                <th scope="col" class="number">
                  Lookups/s
                </th>
                <th scope="col" class="number">
                  Latency
                </th>
                <th scope="col">Memory</th>
                <th scope="col" class="number">
                  Disk tier
                </th>
                <th scope="col" class="number">
                  Disk free
                </th>
                <th scope="col">Trouble</th>
                {canChange && <th scope="col">Change</th>}
              </tr>
            </thead>
            <tbody>
              {nodes.map((node) => (
                <tr key={node.id}>
                  <Cells node={node} latencyMs={latencies.get(node.id) ?? null} />
                  {canChange && (
                    <td>
                      <Changes node={node} />
                    </td>
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      <MasterTable masters={usePolled(masters, SLOW_POLL_MS)?.masters} />
    </>
  );
}

function Cells({ node, latencyMs }: { readonly node: Node; readonly latencyMs: number | null }) {
  const { address, id, memory_limit_bytes: limit, resident_bytes: memory, state } = node;
  return (
    <>
      <th scope="row">
        {id}
        {address !== null && (
          <small>
            {address.host} http {address.http_port}, resp {address.resp_port}
          </small>
        )}
      </th>
      <td>
        <State word={state} />
        <small>{stateText(node)}</small>
      </td>
      <td>{node.zone === '' ? '–' : node.zone}</td>
      <td class="number">{count(node.replicas)}</td>
      <td class="number">{rate(nodeLookups.value.get(id))}</td>
      <td class="number">{latency(latencyMs === 0 ? null : latencyMs)}</td>
      <td>
        <Meter
          label={`Memory of ${id}`}
          value={memory}
          limit={limit}
          text={`${bytes(memory)} of ${bytes(limit)}`}
        />
      </td>
      <td class="number">{bytes(node.disk_tier_bytes)}</td>
      <td class="number">{bytes(node.disk_free_bytes)}</td>
      <td class="text">{troubleText(node)}</td>
    </>
  );
}

function stateText({
  drain_left: left,
  progress,
  silent_ms: silent,
  state,
  warming,
}: Node): string {
  if (state === 'INITIALIZING') return progress === null ? '' : percent(progress);
  if (warming !== null) {
    return `warming: ${bytes(warming.bytes_done)} of ${bytes(warming.bytes_total)} in memory`;
  }
  if (state === 'DRAINING') return left === null ? '' : `${count(left)} copies left`;
  return silent === null || silent === 0 ? '' : `silent for ${duration(silent)}`;
}

function troubleText({ trouble, view_lag: lag }: Node): string {
  const parts = trouble === null || trouble === '' ? [] : [trouble];
  if (lag !== null && lag > 0) parts.push(`lags by ${count(lag)} views`);
  return parts.length === 0 ? '–' : parts.join('; ');
}

function Changes({ node }: { readonly node: Node }) {
  const { id, state } = node;
  const isDraining = state === 'DRAINING' || state === 'DRAINED';
  const verb = isDraining ? 'resume' : 'drain';
  const word = isDraining ? 'Resume' : 'Drain';
  return (
    <span class="buttons">
      <button
        type="button"
        aria-label={`${word} ${id}`}
        onClick={() =>
          propose({
            title: `${word} ${id}?`,
            consequences: isDraining ? ofNodeResumption(node) : ofDrain(node),
            action: word,
            path: () => nodePath(id, `/${verb}`),
            request: { method: 'POST' },
            done: isDraining ? `${id} is back.` : `${id} is being drained.`,
          })
        }
      >
        {word}
      </button>
      <button
        type="button"
        aria-label={`Remove ${id}`}
        onClick={() =>
          propose({
            title: `Remove ${id}?`,
            consequences: ofRemoval(node),
            action: 'Remove',
            isDangerous: true,
            option: 'Remove it even if it may have the only copies of something, and give those up',
            path: (isForced) => nodePath(id, isForced ? '?force=true' : ''),
            request: { method: 'DELETE' },
            done: `${id} is removed.`,
          })
        }
      >
        Remove
      </button>
    </span>
  );
}

function MasterTable({ masters: all }: { readonly masters: Masters['masters'] | undefined }) {
  if (all === undefined) return null;
  return (
    <>
      <h2>Masters</h2>
      <Scroll label="Masters">
        <table>
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col">Role</th>
              <th scope="col">Since</th>
              <th scope="col" class="number">
                Epoch
              </th>
              <th scope="col">Trouble</th>
            </tr>
          </thead>
          <tbody>
            {all.map((master) => (
              <tr key={master.address}>
                <th scope="row">{master.address}</th>
                <td>{master.leads ? 'leads' : 'follows'}</td>
                <td>
                  <Time at={master.since} />
                </td>
                <td class="number">{master.epoch}</td>
                <td class="text">
                  {master.trouble ??
                    (master.view_lag > 0 ? `lags by ${count(master.view_lag)} views` : '–')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </>
  );
}
