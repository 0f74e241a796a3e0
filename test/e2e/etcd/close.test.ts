// A process that has closed its client ends by itself: no socket, timer or call is left.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { SteleProcess, builtModule } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const isHere = hasEtcd();

/**
 * Runs `body` with a `client` of the endpoints; returns what it printed once the process has ended.
 */
async function run(endpoints: readonly string[], body: string): Promise<string> {
  const script = join(tempDir(), 'run.mjs');
  const client = builtModule('master/metadata/etcd/etcd-client.ts');
  const log = builtModule('base/log.ts');
  writeFileSync(
    script,
    `import { EtcdClient } from ${JSON.stringify(client)};
    import { silentLogger as log } from ${JSON.stringify(log)};
    const client = new EtcdClient({ endpoints: ${JSON.stringify(endpoints)}, log });
    const print = (thrown) => console.log(thrown.code);
    const put = () =>
      client.transaction({ compares: [], success: [{ kind: 'put', key: 'a', value: '' }] });
    ${body}`,
  );
  const child = new SteleProcess([], { script });
  const { code, stdout, stderr } = await child.finished();
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
}

test.skipIf(!isHere)('a client in use leaves nothing when it is closed', async () => {
  const server = await EtcdServer.start();
  onTestFinished(() => server.close());
  const printed = await run(
    server.endpoints,
    `const { revision } = await put();
    const { id } = await client.grantLease(60);
    await client.keepAlive(id);
    client.watch('a', 'b', revision, {
      onEvents: () => {
        client.range('a').catch(print);
        client.close();
        client.range('a').catch(print);
      },
      onEnd: () => console.log('ended'),
    });`,
  );
  expect(printed).toBe('CANCELLED\nCANCELLED\n');
});

test.skipIf(!isHere)('so does a client whose member hangs', async () => {
  const server = await EtcdServer.start();
  onTestFinished(() => server.close());
  const printed = await run(
    [...server.endpoints, '127.0.0.1:1'],
    `await put();
    process.kill(${server.members[0]!.pid}, 'SIGSTOP');
    client.watch('a', 'b', 1, { onEvents: () => undefined, onEnd: () => console.log('ended') });
    put().catch(print);
    client.range('a').catch(print);
    setTimeout(() => client.close(), 300);`,
  );
  expect(printed.split('\n').sort()).toEqual(['', 'CANCELLED', 'OUTCOME_UNKNOWN']);
});
