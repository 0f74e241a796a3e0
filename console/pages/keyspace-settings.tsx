// What can be changed of a keyspace itself: copies, versions kept, cache, suspension, drop.

import { useState } from 'preact/hooks';
import { keyspacePath } from '../api/paths.ts';
import type { Keyspace, Version } from '../api/shapes.ts';
import {
  ofCache,
  ofDroppedKeyspace,
  ofKeep,
  ofReplication,
  ofResumption,
  ofSuspension,
  ofTier,
} from '../format/consequences.ts';
import { plural } from '../format/numbers.ts';
import { propose } from '../state/changes.ts';
import { may } from '../state/session.ts';

interface SettingsProps {
  readonly keyspace: Keyspace;
  readonly versions: readonly Version[];
}

export function KeyspaceSettings({ keyspace, versions }: SettingsProps) {
  const { cache, keep, name, replication } = keyspace;
  if (!may('operate', name)) return null;
  const set = (title: string, consequences: readonly string[], body: object): void =>
    propose({
      title,
      consequences,
      action: 'Change',
      path: () => keyspacePath(name),
      request: { method: 'PATCH', body },
      done: `Changed: ${title.replace('?', '')}.`,
    });
  return (
    <section class="card" aria-label="Settings">
      <h2>Settings</h2>
      <div class="settings">
        <NumberSetting
          label="Copies of each shard (0: as the cluster)"
          value={replication ?? 0}
          least={0}
          most={16}
          onSet={(wanted) =>
            set(
              wanted === 0
                ? `Copies of ${name} as in the cluster?`
                : `${plural(wanted, 'copy', 'copies')} of ${name}?`,
              ofReplication(keyspace, wanted),
              { replication: wanted },
            )
          }
        />
        <NumberSetting
          label="Versions kept, with the current one"
          value={keep ?? 1}
          least={1}
          most={100}
          onSet={(wanted) =>
            set(
              `Keep ${plural(wanted, 'version')} of ${name}?`,
              ofKeep(keyspace, wanted, versions),
              {
                keep: wanted,
              },
            )
          }
        />
        <button
          type="button"
          onClick={() =>
            set(
              cache ? `Do not cache values of ${name}?` : `Cache values of ${name}?`,
              ofCache(keyspace),
              { cache: !cache },
            )
          }
        >
          {cache ? 'Cache off ...' : 'Cache on ...'}
        </button>
        <TierButton keyspace={keyspace} onSet={set} />
        <SuspendButton keyspace={keyspace} />
        <DropButton keyspace={keyspace} />
      </div>
    </section>
  );
}

interface NumberSettingProps {
  readonly label: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly onSet: (wanted: number) => void;
}

function NumberSetting({ label, value, least, most, onSet }: NumberSettingProps) {
  const [wanted, setWanted] = useState<number | undefined>(undefined);
  return (
    <form
      class="inline"
      onSubmit={(event) => {
        event.preventDefault();
        onSet(wanted ?? value);
      }}
    >
      <label>
        {label}
        <input
          type="number"
          required
          min={least}
          max={most}
          value={wanted ?? value}
          onInput={(event) => setWanted(event.currentTarget.valueAsNumber)}
        />
      </label>
      <button type="submit">Set ...</button>
    </form>
  );
}

interface TierButtonProps {
  readonly keyspace: Keyspace;
  readonly onSet: (title: string, consequences: readonly string[], body: object) => void;
}

function TierButton({ keyspace, onSet }: TierButtonProps) {
  const { name, tier } = keyspace;
  const [other, place] = tier === 'disk' ? ['memory', 'in memory'] : ['disk', 'on disk'];
  return (
    <button
      type="button"
      onClick={() => onSet(`Keep ${name} ${place}?`, ofTier(keyspace), { tier: other })}
    >
      To {other} ...
    </button>
  );
}

function SuspendButton({ keyspace }: { readonly keyspace: Keyspace }) {
  const { name, state } = keyspace;
  const isSuspended = state.startsWith('SUSPEND');
  const verb = isSuspended ? 'resume' : 'suspend';
  const word = isSuspended ? 'Resume' : 'Suspend';
  return (
    <button
      type="button"
      onClick={() =>
        propose({
          title: `${word} ${name}?`,
          consequences: isSuspended ? ofResumption(keyspace) : ofSuspension(keyspace),
          action: word,
          isDangerous: !isSuspended,
          path: () => keyspacePath(name, `/${verb}`),
          request: { method: 'POST' },
          done: `${name} is ${isSuspended ? 'resumed' : 'suspended'}.`,
        })
      }
    >
      {word} ...
    </button>
  );
}

function DropButton({ keyspace }: { readonly keyspace: Keyspace }) {
  const { name } = keyspace;
  return (
    <button
      type="button"
      class="danger"
      onClick={() =>
        propose({
          title: `Drop ${name}?`,
          consequences: ofDroppedKeyspace(keyspace),
          action: 'Drop keyspace',
          isDangerous: true,
          typed: name,
          path: () => keyspacePath(name),
          request: { method: 'DELETE' },
          done: `${name} is dropped.`,
        })
      }
    >
      Drop keyspace ...
    </button>
  );
}
