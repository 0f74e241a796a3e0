import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { dial } from '../../transport/dial.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';
import { checkPortsFree, listenHttp, listenTcp } from '../../transport/listen.ts';

const HOST = '127.0.0.1';

async function takenPort(): Promise<number> {
  const options = { host: HOST, port: 0, flag: '--any' };
  const { port, server } = await listenTcp(options, {}, (socket) => socket.end('hello'));
  onTestFinished(() => void server.close());
  return port;
}

function inUse(port: number, flag: string): object {
  return {
    code: 'PORT_IN_USE',
    message: `Something already listens on ${HOST}:${port}; stop it, or choose another port with ${flag} (0 picks a free one).`,
  };
}

describe('a port that is opened', () => {
  it('can be dialled', async () => {
    const socket = dial(HOST, await takenPort());
    const chunks: Buffer[] = await socket.toArray();
    expect(Buffer.concat(chunks).toString()).toBe('hello');
  });

  it('and taken already is the same error for TCP, HTTP and gRPC: its flag and the way out', async () => {
    const port = await takenPort();
    const tcp = listenTcp({ host: HOST, port, flag: '--resp-port' }, {}, () => undefined);
    await expect(tcp).rejects.toMatchObject(inUse(port, '--resp-port'));
    const server = createServer();
    const listen = (options: { host: string; port: number }): Promise<void> =>
      new Promise((resolve, reject) => server.once('error', reject).listen(options, resolve));
    const http = listenHttp({ server, listen }, { host: HOST, port, flag: '--http-port' });
    await expect(http).rejects.toMatchObject(inUse(port, '--http-port'));
    const grpc = new GrpcServer();
    onTestFinished(() => grpc.close(0));
    await expect(grpc.listen(HOST, port, '--grpc-port')).rejects.toMatchObject(
      inUse(port, '--grpc-port'),
    );
  });

  it('on an address that this machine does not have is another error', async () => {
    const listening = listenTcp({ host: '192.0.2.1', port: 0, flag: '--any' }, {}, () => undefined);
    await expect(listening).rejects.toMatchObject({ code: 'IO' });
    const grpc = new GrpcServer();
    onTestFinished(() => grpc.close(0));
    await expect(grpc.listen('192.0.2.1', 0, '--any')).rejects.toMatchObject({ code: 'IO' });
  });
});

describe('checkPortsFree', () => {
  it('names the first port that is taken, and its flag', async () => {
    const port = await takenPort();
    await checkPortsFree(HOST, { 'http-port': 0 });
    await expect(checkPortsFree(HOST, { 'http-port': 0, 'resp-port': port })).rejects.toMatchObject(
      inUse(port, '--resp-port'),
    );
  });
});
