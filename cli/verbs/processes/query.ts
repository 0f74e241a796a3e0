// `stele query`: one query node.

import { querySettings } from '../../../master/settings.ts';
import { runRole } from '../../run-role.ts';
import { defineVerb } from '../../verb.ts';

export const definition = defineVerb({
  name: 'query',
  operands: '',
  schema: querySettings,
  logLevel: 'info',
  stdoutIsLog: true,
  examples: [
    'stele query --master 10.0.0.5:8400,10.0.0.6:8400',
    'stele query --http-port 9100 --resp-port 7479 --grpc-port 8500',
    'stele query --host 10.0.0.21 --master 10.0.0.5:8400 --auth on --cluster-secret-file cluster-secret',
  ],
  async run({ settings: { values }, global, output }) {
    const [{ startQueryNode }, { createLogger }] = await Promise.all([
      import('../../../master/query.ts'),
      import('../../../base/log.ts'),
    ]);
    const log = createLogger('query', global);
    const start = async () => {
      const running = await startQueryNode(values, { log });
      const { http: httpPort, resp: respPort, grpc: grpcPort } = running.ports;
      const address = { host: values.host, httpPort, respPort, grpcPort };
      const { reopenLogs } = running;
      return { title: 'query node', address, reopenLogs, close: () => running.close() };
    };
    return runRole(start, output, log);
  },
});
