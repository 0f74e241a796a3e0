import { ChannelCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LookupCore } from '../../../../master/front/lookup/lookup-core.ts';
import { masterLookupService } from '../../../../master/front/lookup/grpc-lookup.ts';
import { NO_TRAFFIC } from '../../../../base/process/http-traffic.ts';
import { FrontMetrics } from '../../../../master/front/metrics.ts';
import { steleErrorFromGrpc } from '../../../../transport/grpc-errors.ts';
import { GrpcServer } from '../../../../transport/grpc-server.ts';
import {
  LookupServiceClient,
  LookupServiceService,
  LookupStatus,
} from '../../../../proto/gen/stele/v1/lookup.ts';
import type { LookupRequest, LookupResponse } from '../../../../proto/gen/stele/v1/lookup.ts';
import { FakeCluster } from '../../../support/peers/fake-cluster.ts';

const { OK, NOT_FOUND } = LookupStatus;

let cluster: FakeCluster;
let core: LookupCore;
let server: GrpcServer;
let client: LookupServiceClient;

beforeEach(async () => {
  cluster = new FakeCluster();
  core = new LookupCore({
    views: cluster,
    links: cluster.links,
    cacheMaxBytes: 0,
    deadlineMs: 200,
  });
  server = new GrpcServer();
  server.addService(
    LookupServiceService,
    masterLookupService(
      core,
      new FrontMetrics(core, cluster, () => ({ http: NO_TRAFFIC, resp: NO_TRAFFIC })),
    ),
  );
  const port = await server.listen('127.0.0.1', 0, '--grpc-port');
  client = new LookupServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure(), {
    'grpc.max_receive_message_length': 80 * 1024 * 1024,
  });
});

afterEach(async () => {
  client.close();
  await server.close(500);
  core.close();
});

function unary(request: Partial<LookupRequest>): Promise<LookupResponse> {
  return new Promise((resolve, reject) => {
    client.lookup({ keyspace: 'default', keys: [], version: 0, ...request }, (error, response) => {
      if (error === null) resolve(response);
      else reject(steleErrorFromGrpc(error, 'master'));
    });
  });
}

describe('the unary Lookup', () => {
  it('answers every key in order, of one version', async () => {
    cluster.put('a', '1');
    cluster.put('empty', '');
    const response = await unary({ keys: ['none', 'a', 'empty'].map((key) => Buffer.from(key)) });
    expect(response.version).toBe(1);
    expect(response.results.map(({ status }) => status)).toEqual([NOT_FOUND, OK, OK]);
    expect(response.results.map(({ value }) => value.toString())).toEqual(['', '1', '']);
  });

  it('fails with the code of what is wrong with the whole', async () => {
    await expect(unary({ keyspace: 'none' })).rejects.toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
    await expect(unary({ version: 4 })).rejects.toMatchObject({ code: 'VERSION_NOT_FOUND' });
    const keys = Array.from({ length: 10_001 }, () => Buffer.from('k'));
    await expect(unary({ keys })).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });
});
