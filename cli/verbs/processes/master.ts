// `stele master`: one master process.

import { settingsOf } from '../../../base/config.ts';
import { etcdOptions, masterSettings } from '../../../master/settings.ts';
import { runRole } from '../../run-role.ts';
import { refuseUnused } from '../../unused-flags.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'master',
  operands: '',
  schema: masterSettings,
  logLevel: 'info',
  stdoutIsLog: true,
  examples: [
    'stele master --data-dir /var/lib/stele/master',
    'stele master --host 10.0.0.5 --auth on --cluster-secret-file cluster-secret',
  ],
  async run({ settings: { sources, values }, global, output }) {
    if (values.metadata === 'embedded')
      refuseUnused(sources, settingsOf(etcdOptions), '--metadata etcd');
    const [{ startMaster }, { createLogger }] = await Promise.all([
      import('../../../master/server.ts'),
      import('../../../base/log.ts'),
    ]);
    const log = createLogger('master', global);
    const start = async () => {
      const running = await startMaster(values, { log });
      const { http: httpPort, resp: respPort, grpc: grpcPort } = running.ports;
      const address = { host: values.host, httpPort, respPort, grpcPort };
      const { reopenLogs, replaced: failed } = running;
      return { title: 'master', address, failed, reopenLogs, close: () => running.close() };
    };
    return runRole(start, output, log);
  },
});
