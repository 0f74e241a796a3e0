// `stele master`: one master process.

import { masterSettings } from '../../master/settings.ts';
import { runRole } from '../run-role.ts';
import { defineVerb } from '../verb.ts';

export const master = defineVerb({
  name: 'master',
  summary: 'run one master',
  operands: '',
  schema: masterSettings,
  logLevel: 'info',
  stdoutIsLog: true,
  examples: [
    'stele master --data-dir /var/lib/stele/master',
    'stele master --host 0.0.0.0 --http-port 9000',
  ],
  async run({ settings: { values }, global, output }) {
    const [{ startMaster }, { createLogger }] = await Promise.all([
      import('../../master/server.ts'),
      import('../../base/log.ts'),
    ]);
    const log = createLogger('master', global);
    const start = async () => {
      const running = await startMaster(values, { log });
      const { http: httpPort, resp: respPort, grpc: grpcPort } = running.ports;
      const address = { host: values.host, httpPort, respPort, grpcPort };
      const { replaced: failed } = running;
      return { title: 'master', address, failed, close: () => running.close() };
    };
    return runRole(start, output, log);
  },
});
