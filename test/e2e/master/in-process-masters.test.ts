// Several masters in one process: `startCluster()` of the package.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { PROJECT, SteleProcess } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const SEVERAL = `
const { connectAdmin, startCluster, SteleClient } = await import(process.argv[2]);
await startCluster({ masters: 2, dataDir: process.argv[3] }).catch(({ code }) => console.error(code));
const cluster = await startCluster({ masters: 3, datanodes: 2, shards: 16 });
await cluster.load('letters', [process.argv[3]]);
const addresses = cluster.masters.map(({ host, ports }) => host + ':' + ports.grpc);
const admin = connectAdmin(addresses);
const leader = async () => (await admin.listMasters()).masters.find(({ leads }) => leads)?.address;
const first = await leader();
await admin.stepDown();
while ([undefined, first].includes(await leader().catch(() => undefined))) {
  await new Promise((resolve) => setTimeout(resolve, 50));
}
const client = new SteleClient({ seeds: addresses });
const read = String(await client.get('letters', 'c'));
await client.close();
admin.close();
await cluster.close();
console.log(JSON.stringify({ masters: addresses.length, read }));
`;

test('startCluster() with several masters has one that leads, and another one when it steps down', async () => {
  const folder = tempDir();
  const sample = join(folder, 'rows.data');
  writeFileSync(sample, 'a one\nb two\nc three\n');
  const script = join(folder, 'several.mjs');
  writeFileSync(script, SEVERAL);
  const library = pathToFileURL(join(PROJECT, 'dist', 'embedded', 'library.js')).href;
  const program = new SteleProcess([library, sample], { script });
  onTestFinished(async () => void (await program.kill()));
  const done = await program.finished();
  expect(done.stderr).toBe('INVALID_ARGUMENT\n');
  expect({ code: done.code, signal: done.signal }).toEqual({ code: 0, signal: null });
  expect(JSON.parse(done.stdout)).toEqual({ masters: 3, read: 'three' });
});
