// `stele up`: a whole cluster on this machine, in the foreground.
//
//   start the processes -> wait until all serve -> --load -> `ready` -> until SIGINT or SIGTERM
//
// A signal stops it at any stage; a second one kills.

import { accessOptions } from '../../../access/access-settings.ts';
import { option, settingsOf } from '../../../base/config.ts';
import type { OptionSet } from '../../../base/config.ts';
import {
  REPLICATION_DEFAULT,
  REPLICATION_MAX,
  SHARD_COUNT_DEFAULT,
  SHARD_COUNT_MAX,
} from '../../../base/limits.ts';
import { datanodeSettings } from '../../../datanode/settings.ts';
import { etcdOptions, masterSettings } from '../../../master/settings.ts';
import { tlsOptions } from '../../../transport/tls/tls-settings.ts';
import { defineVerb } from '../../verb.ts';

const DATANODES_MAX = 64;
const MASTERS_MAX = 9;

const ownSettings = settingsOf({
  datanodes: option.count('how many datanodes', 3, { min: 1, max: DATANODES_MAX }),
  masters: option.count('how many masters; several share an etcd, which must be on the PATH', 1, {
    min: 1,
    max: MASTERS_MAX,
  }),
  etcdNodes: option.count('members of that etcd; 0: one, or as many as there are', 0, {
    min: 0,
    max: MASTERS_MAX,
  }),
  replication: option.count('copies of everything', REPLICATION_DEFAULT, {
    min: 1,
    max: REPLICATION_MAX,
  }),
  shards: option.count(
    'number of shards: a power of two, fixed at the first start',
    SHARD_COUNT_DEFAULT,
    {
      min: 1,
      max: SHARD_COUNT_MAX,
    },
  ),
  dataDir: option.text('folder for everything', '.stele', { placeholder: 'folder' }),
  load: option.list('load this unless it is the current version already; repeatable', {
    placeholder: 'keyspace=path',
  }),
  secure: option.flag(
    'TLS and users on every port: makes certificates and the user admin in the data folder, and keeps them',
  ),
  inProcess: option.flag('everything in this one process'),
  noRestart: option.flag('do not restart a process that died'),
  clear: option.flag('delete the cluster in the data folder first, after a question'),
  yes: option.flag('with --clear: do not ask'),
  host: option.text('address to listen on', '127.0.0.1', { placeholder: 'address' }),
  httpPort: option.port(
    'HTTP port of the master; datanode i has this + 1 + i, master j + 100 x j (0: free ports)',
    9000,
  ),
  respPort: option.port('the same for RESP', 7379),
  grpcPort: option.port('the same for gRPC', 8400),
});

/**
 * Settings of the roles that `up` does not accept, because it sets them, or because they make no
 * sense for all roles.
 */
const DECIDED: ReadonlySet<string> = new Set([
  ...Object.keys(ownSettings.options),
  'id',
  'master',
  'metadata',
  ...Object.keys(etcdOptions).filter((name) => name !== 'leaderTtl'),
  'announceHttpPort',
  'announceRespPort',
  'announceGrpcPort',
  'zone',
  'weight',
  'restartable',
  'logLevel',
]);

/** Its own options, then those that it passes on to the roles; only its own have types here. */
const upSettings = settingsOf({
  ...ownSettings.options,
  ...tlsOptions,
  ...accessOptions,
  adminPasswordFile: masterSettings.options.adminPasswordFile,
  announceHost: datanodeSettings.options.announceHost,
  ...others(masterSettings.options),
  ...others(datanodeSettings.options),
});

function others(properties: OptionSet): OptionSet {
  return Object.fromEntries(Object.entries(properties).filter(([name]) => !DECIDED.has(name)));
}

export const definition = defineVerb({
  name: 'up',
  operands: '',
  stdoutIsLog: true,
  schema: upSettings,
  examples: [
    'stele up',
    'stele up --load example=data/example.data',
    'stele up --datanodes 5 --replication 3 --data-dir /tmp/stele',
    'stele up --masters 3',
    'stele up --secure',
  ],
  async run({ settings, global, output }) {
    const { runUp } = await import('../../up/run.ts');
    const { forwardedWords, memoryWords } = await import('../../up/plan.ts');
    const { planSecurity } = await import('../../up/security.ts');
    const { values, sources } = settings;
    return runUp({
      plan: values,
      loads: values.load,
      inProcess: values.inProcess,
      restart: !values.noRestart,
      clear: { clear: values.clear, yes: values.yes },
      global,
      output,
      security: planSecurity(values, sources),
      masterWords: forwardedWords(masterSettings, DECIDED, values, sources),
      datanodeWords: [
        ...memoryWords(values.datanodes, sources.get('memoryMax')),
        ...forwardedWords(datanodeSettings, DECIDED, values, sources),
      ],
    });
  },
});
