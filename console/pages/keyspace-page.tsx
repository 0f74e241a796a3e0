// One dataset: its versions, their difference, its settings.

import type { Keyspace, Version } from '../api/shapes.ts';
import { bytes, count, plural } from '../format/numbers.ts';
import { tierText } from '../format/tiers.ts';
import { Nothing, PageTitle, State } from '../parts/small.tsx';
import { keyspaces, versionsOf } from '../state/answers.ts';
import { hrefOf } from '../state/place.ts';
import { usePolled } from '../state/polled.ts';
import { may } from '../state/session.ts';
import { CostPanel } from './cost-panel.tsx';
import { DiffPanel } from './diff-panel.tsx';
import { KeyspaceSettings } from './keyspace-settings.tsx';
import { VersionTable } from './version-table.tsx';

const POLL_MS = 2000;

export function KeyspacePage({ name }: { readonly name: string }) {
  const keyspace = usePolled(keyspaces, POLL_MS)?.keyspaces.find((one) => one.name === name);
  const polled = versionsOf(name);
  const versions = usePolled(polled, POLL_MS)?.versions;
  const problem = polled.problem.value;
  const isKnown = keyspaces.answer.value !== undefined;
  return (
    <>
      <PageTitle text={`Keyspace ${name}`} more={<a href={hrefOf('keyspaces')}>All keyspaces</a>} />
      {keyspace === undefined ? (
        <Nothing isKnown={isKnown} text="There is no such keyspace, or you may not read it." />
      ) : (
        <>
          <Facts keyspace={keyspace} />
          <Rights name={name} />
          <h2>Versions</h2>
          {versions === undefined || versions.length === 0 ? (
            <Nothing
              isKnown={versions !== undefined || problem !== undefined}
              text={problem?.message ?? 'Nothing has been committed yet.'}
            />
          ) : (
            <Versions keyspace={keyspace} versions={versions} />
          )}
          <CostPanel key={name} keyspace={name} />
          <KeyspaceSettings keyspace={keyspace} versions={versions ?? []} />
        </>
      )}
    </>
  );
}

function Versions(props: { readonly keyspace: Keyspace; readonly versions: readonly Version[] }) {
  return (
    <>
      <VersionTable keyspace={props.keyspace.name} versions={props.versions} />
      {props.versions.length > 1 && (
        <DiffPanel keyspace={props.keyspace.name} versions={props.versions} />
      )}
    </>
  );
}

/** Why there are no buttons, for those who may only read. */
function Rights({ name }: { readonly name: string }) {
  const canLoad = may('load', name);
  const canOperate = may('operate', name);
  if (canLoad && canOperate) return null;
  const lacking = [
    ...(canLoad ? [] : ['another current version needs the right load']),
    ...(canOperate ? [] : ['settings and drops need the right operate']),
  ];
  return (
    <p class="hint">
      You may read {name}: {lacking.join('; ')}.
    </p>
  );
}

function Facts({ keyspace }: { readonly keyspace: Keyspace }) {
  const {
    cache,
    index,
    keep,
    records,
    repairing,
    replication,
    segment_bytes: size,
    state,
  } = keyspace;
  const facts = [
    ['Version', keyspace.current_version === 0 ? 'none' : String(keyspace.current_version)],
    ['Rows', count(records)],
    ['A copy', bytes(size)],
    ['Copies', count(replication)],
    ['Versions kept', count(keep)],
    ['Records', tierText(keyspace)],
    ['Cached', cache ? 'yes' : 'no'],
    ['Index for SELECT', String(index)],
  ] as const;
  return (
    <section class="card" aria-label="Facts">
      <State word={state} />
      {repairing !== null && (
        <p>
          {repairing.error} ({plural(repairing.attempts, 'attempt')} so far)
        </p>
      )}
      <dl class="facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
