// Names for completion, asked of the cluster that the command line is about. Whatever goes wrong,
// there are none: a completion must not print errors into the line that is being typed.

import { resolveSettings, settingsOf } from '../../base/config.ts';
import { clientOptions } from '../client-settings.ts';
import { readSettingsFile } from '../settings-sources.ts';
import type { Verb } from '../verb.ts';
import { withAccess } from '../verbs/access/with-access.ts';
import { withAdmin } from '../with-admin.ts';
import type { Admin } from '../with-admin.ts';
import type { NameKind } from './candidates.ts';
import type { ParsedLine } from './line.ts';

const DEADLINE_MS = 1_000;

/** The names of one kind; empty if they cannot be had within a second. */
export async function askNames(
  kind: NameKind,
  verb: Verb,
  { flags, operands }: ParsedLine,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  try {
    const file = await readSettingsFile(environment['STELE_CONFIG']);
    const given = Object.fromEntries(
      Object.entries(flags).filter(
        ([name]) => name in clientOptions && name in verb.schema.options,
      ),
    );
    const inputs = { flags: given, environment, file: file.values };
    const { values } = resolveSettings(settingsOf(clientOptions), inputs);
    const settings = { ...values, timeout: DEADLINE_MS };
    if (kind === 'users' || kind === 'roles') {
      return await withAccess(settings, async (access) =>
        kind === 'users'
          ? (await access.listUsers()).map(({ name }) => name)
          : (await access.listRoles()).map(({ role }) => role?.name ?? ''),
      );
    }
    return await withAdmin(settings, (admin) => namesOf(admin, kind, operands[0] ?? ''));
  } catch {
    return [];
  }
}

async function namesOf(
  admin: Admin,
  kind: Exclude<NameKind, 'users' | 'roles'>,
  keyspace: string,
): Promise<string[]> {
  switch (kind) {
    case 'keyspaces':
      return (await admin.listKeyspaces()).keyspaces.map(({ name }) => name);
    case 'nodes':
      return (await admin.listNodes()).nodes.map(({ node }) => node?.id ?? '');
    case 'shards':
      return (await admin.listShards()).shards.map(({ shard }) => String(shard));
    case 'loads':
      return (await admin.listLoads()).loads.map(({ loadId }) => loadId);
    case 'versions':
      return (await admin.listVersions(keyspace)).versions.map(({ version }) => String(version));
  }
}
