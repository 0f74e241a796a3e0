import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { segmentUpgrade } from '../../datanode/transfer/segment-connection.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';
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

interface Server {
  readonly node: NodeView;
  readonly connections: () => number;
  readonly cutOff: () => void;
}

async function serve(answers: () => Error | undefined, speaks = true): Promise<Server> {
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
          pace: () => 0,
          give: () => Promise.reject(new Error('nothing is fetched here')),
        }),
      ])
    : () => undefined;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    cutOff();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const address = { host: '127.0.0.1', httpPort: port, respPort: 0, grpcPort: 0 };
  const node = { id: 'n1', incarnation: '', address, zone: '', state: NodeState.SERVING };
  return { node, connections: () => connections, cutOff };
}

function linksTo({ node }: Server): PushConnections {
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
});
