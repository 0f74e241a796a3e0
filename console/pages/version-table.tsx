// The versions of a keyspace, with what can be done to each.

import { keyspacePath } from '../api/paths.ts';
import type { Version } from '../api/shapes.ts';
import { ofDroppedVersion, ofNewCurrent } from '../format/consequences.ts';
import { gateResult } from '../format/gates.ts';
import { bytes, count } from '../format/numbers.ts';
import { Scroll, State, Time } from '../parts/small.tsx';
import { propose } from '../state/changes.ts';
import { may } from '../state/session.ts';

interface VersionTableProps {
  readonly keyspace: string;
  readonly versions: readonly Version[];
}

export function VersionTable({ keyspace, versions }: VersionTableProps) {
  const current = versions.find((version) => version.current);
  const canChange = may('load', keyspace) || may('operate', keyspace);
  return (
    <Scroll label="Versions">
      <table>
        <thead>
          <tr>
            <th scope="col" class="number">
              Version
            </th>
            <th scope="col">State</th>
            <th scope="col" class="number">
              Rows
            </th>
            <th scope="col" class="number">
              Data
            </th>
            <th scope="col" class="number">
              A copy
            </th>
            <th scope="col">Committed</th>
            <th scope="col">Source</th>
            <th scope="col">Gate</th>
            <th scope="col">Current since</th>
            {canChange && <th scope="col">Change</th>}
          </tr>
        </thead>
        <tbody>
          {versions.map((version) => (
            <tr key={version.version} class={version.current ? 'current' : ''}>
              <Cells version={version} />
              {canChange && (
                <td>
                  <Changes keyspace={keyspace} version={version} current={current} />
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Cells({ version }: { readonly version: Version }) {
  const { conditions, result } = gateResult(version);
  const by = version.current_by === null ? '' : ` by ${version.current_by}`;
  return (
    <>
      <th scope="row" class="number">
        {version.version}
      </th>
      <td>
        {version.current ? <span class="state good">current</span> : <State word={version.state} />}
      </td>
      <td class="number">{count(version.records)}</td>
      <td class="number">{bytes(version.key_bytes + version.value_bytes)}</td>
      <td class="number">{bytes(version.segment_bytes)}</td>
      <td>
        <Time at={version.committed_at} />
      </td>
      <td class="text">
        {version.source}
        {version.input !== null && <small>{version.input}</small>}
        {version.append !== null && <small>{appendText(version.append)}</small>}
      </td>
      <td class="text">
        {result}
        {conditions.length > 0 && <small>{conditions.join('; ')}</small>}
      </td>
      <td>
        <Time at={version.current_since} />
        {by}
      </td>
    </>
  );
}

function appendText(append: NonNullable<Version['append']>): string {
  const { added, base_version: base, replaced, unchanged } = append;
  return `appended to version ${base}: ${count(added)} added, ${count(replaced)} replaced, ${count(unchanged)} unchanged`;
}

interface ChangesProps {
  readonly keyspace: string;
  readonly version: Version;
  readonly current: Version | undefined;
}

function Changes({ keyspace, version, current }: ChangesProps) {
  if (version.current) return null;
  const isOlder = version.state === 'COMMITTED' && version.version < (current?.version ?? 0);
  const verb = isOlder ? 'rollback' : 'promote';
  const title = isOlder ? 'Roll back' : 'Promote';
  const name = `${title} ${isOlder ? 'to ' : ''}version ${version.version}`;
  return (
    <span class="buttons">
      {may('load', keyspace) && (
        <button
          type="button"
          aria-label={name}
          onClick={() =>
            propose({
              title: `${name} of ${keyspace}?`,
              consequences: ofNewCurrent(version, current),
              action: title,
              path: () => keyspacePath(keyspace, `/${verb}`),
              request: { method: 'POST', body: { to: version.version } },
              done: `Version ${version.version} of ${keyspace} is current.`,
            })
          }
        >
          {title}
        </button>
      )}
      {may('operate', keyspace) && (
        <button
          type="button"
          aria-label={`Drop version ${version.version}`}
          onClick={() =>
            propose({
              title: `Drop version ${version.version} of ${keyspace}?`,
              consequences: ofDroppedVersion(version),
              action: 'Drop version',
              isDangerous: true,
              path: () => keyspacePath(keyspace, `/versions/${version.version}`),
              request: { method: 'DELETE' },
              done: `Version ${version.version} of ${keyspace} is dropped.`,
            })
          }
        >
          Drop
        </button>
      )}
    </span>
  );
}
