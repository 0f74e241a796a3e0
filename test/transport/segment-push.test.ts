import { createServer } from 'node:http';
import type { Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { segmentUpgrade } from '../../datanode/transfer/segment-connection.ts';
import type { SegmentKeeper } from '../../datanode/transfer/segment-connection.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';
import { SEGMENTS_PATH, SEGMENTS_PROTOCOL, encodeAnswer } from '../../proto/segment-transfer.ts';
import { PushConnections } from '../../transport/segment-push.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';

const NEVER = new AbortController().signal;
const OVER = new SteleError('CANCELLED', 'The test is over.');
const ANNOUNCED = {
  keyspaceUid: 'u',
  segmentId: 's',
  byteLength: 10,
  expectNode: '',
  expectIncarnation: '',
  loadId: 'l',
};

const ORIGIN = {
  ...{ url: 'file:///builds', s3Endpoint: '', s3Region: '', object: 'a/b.seg' },
  ...{ shardCount: 1, bytesPerSecondMax: 0 },
};

interface Server {
  readonly node: NodeView;
  readonly connections: () => number;
  readonly cutOff: () => void;
}

async function serve(
  answers: () => Error | undefined,
  speaks = true,
  pull: SegmentKeeper['pull'] = () => Promise.reject(new Error('nothing is pulled here')),
): Promise<Server> {
  const server = createServer((_request, response) => response.writeHead(404).end());
  let connections = 0;
  server.on('connection', () => connections++);
  const cutOff = speaks
    ? acceptUpgrades(server, [
        segmentUpgrade({
          admit: () => {
            const refusal = answers();
            return refusal === undefined ? Promise.resolve(undefined) : Promise.reject(refusal);
          },
          pull,
          pace: () => 0,
          give: () => Promise.reject(new Error('nothing is fetched here')),
        }),
      ])
    : () => undefined;
  return { ...(await listening(server, cutOff)), connections: () => connections };
}

async function listening(
  server: HttpServer,
  cutOff: () => void,
): Promise<Omit<Server, 'connections'>> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    cutOff();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const address = { host: '127.0.0.1', httpPort: port, respPort: 0, grpcPort: 0 };
  const node = { id: 'n1', incarnation: '', address, zone: '', state: NodeState.SERVING };
  return { node, cutOff };
}

function linksTo({ node }: Pick<Server, 'node'>): PushConnections {
  const links = new PushConnections(node);
  onTestFinished(() => links.close(OVER));
  return links;
}

describe('the connections to a datanode', () => {
  it('are eight at most, and are used again', async () => {
    const server = await serve(() => undefined);
    const links = linksTo(server);
    const ask = async (): Promise<string> => {
      const link = await links.acquire(NEVER);
      const answer = await link.ask(ANNOUNCED);
      links.release(link);
      return answer;
    };
    const answers = await Promise.all(Array.from({ length: 50 }, ask));
    expect(new Set(answers)).toEqual(new Set(['stored']));
    expect(server.connections()).toBe(8);
  });

  it('are as good as before after a refusal, which keeps its code', async () => {
    const refusal = new SteleError('DISK_FULL', 'There is no room.');
    const server = await serve(() => refusal);
    const links = linksTo(server);
    for (let time = 0; time < 3; time++) {
      const link = await links.acquire(NEVER);
      await expect(link.ask(ANNOUNCED)).rejects.toMatchObject({ code: 'DISK_FULL' });
      links.release(link);
    }
    expect(server.connections()).toBe(1);
  });

  it('that have broken are replaced', async () => {
    const server = await serve(() => undefined);
    const links = linksTo(server);
    const first = await links.acquire(NEVER);
    links.release(first);
    server.cutOff();
    await expect.poll(() => first.isUsable).toBe(false);
    const second = await links.acquire(NEVER);
    expect(await second.ask(ANNOUNCED)).toBe('stored');
    links.release(second);
    expect(server.connections()).toBe(2);
  });

  it('reject whoever waits for them when they are closed', async () => {
    const links = linksTo(await serve(() => undefined));
    await Promise.all(Array.from({ length: 8 }, () => links.acquire(NEVER)));
    const ninth = links.acquire(NEVER);
    links.close(OVER);
    await expect(ninth).rejects.toBe(OVER);
    await expect(links.acquire(NEVER)).rejects.toBe(OVER);
  });

  it('say so where something else answers', async () => {
    const server = await serve(() => undefined, false);
    const taken = linksTo(server).acquire(NEVER);
    await expect(taken).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(taken).rejects.toThrow('accepts no segments there (HTTP status 404)');
  });

  it('say so where nobody listens', async () => {
    const server = await serve(() => undefined);
    const address = { host: '127.0.0.1', httpPort: 1, respPort: 0, grpcPort: 0 };
    const links = new PushConnections({ ...server.node, address });
    await expect(links.acquire(NEVER)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('wait for a segment that the node pulls for as long as it says that it does', async () => {
    let end = (): void => undefined;
    const server = await serve(
      () => undefined,
      true,
      async (_announced, origin, _subject, { onBytes }) => {
        expect(origin).toEqual(ORIGIN);
        onBytes(0);
        onBytes(7);
        await new Promise<void>((resolve) => (end = resolve));
      },
    );
    const link = await linksTo(server).acquire(NEVER);
    const seen: number[] = [];
    const pulled = link.pull(ANNOUNCED, ORIGIN, (bytesDone) => {
      seen.push(bytesDone);
      // The second number is repeated every second.
      if (bytesDone > 0) end();
    });
    await pulled;
    expect(seen).toEqual([0, 7]);
    expect(await link.ask(ANNOUNCED)).toBe('stored');
  });

  it('have the sentence of a node that could not pull', async () => {
    const refusal = new SteleError('NOT_FOUND', 'There is no such object.');
    const server = await serve(
      () => undefined,
      true,
      () => Promise.reject(refusal),
    );
    const link = await linksTo(server).acquire(NEVER);
    const pulled = link.pull(ANNOUNCED, ORIGIN, () => undefined);
    await expect(pulled).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(pulled).rejects.toThrow('There is no such object.');
    expect(link.isUsable).toBe(true);
  });

  it('say so where a node of an earlier release waits for the bytes', async () => {
    const server = createServer();
    const open = (socket: Socket, _: unknown, onClose: () => void) => {
      socket.on('data', () => socket.write(encodeAnswer('send'))).on('close', onClose);
      return { close: () => socket.destroy() };
    };
    const one = { path: SEGMENTS_PATH, protocol: SEGMENTS_PROTOCOL, connectionsMax: 1 };
    const cutOff = acceptUpgrades(server, [{ ...one, door: 'segments', open }]);
    const link = await linksTo(await listening(server, cutOff)).acquire(NEVER);
    const pulled = link.pull(ANNOUNCED, ORIGIN, () => undefined);
    await expect(pulled).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(pulled).rejects.toThrow('runs an earlier release');
    expect(link.isUsable).toBe(false);
  });
});
