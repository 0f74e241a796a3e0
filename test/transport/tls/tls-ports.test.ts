import { createServer, request } from 'node:https';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { createServer as createTlsServer, connect as connectTls } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { once } from 'node:events';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ClusterServiceClient } from '../../../proto/gen/stele/v1/cluster.ts';
import { callUnary, openClient } from '../../../transport/grpc-channel.ts';
import { dial, establishedEvent } from '../../../transport/dial.ts';
import { GrpcServer } from '../../../transport/grpc-server.ts';
import { listenTcp } from '../../../transport/listen.ts';
import { dialReason } from '../../../transport/tls/dial-errors.ts';
import { TlsIdentity } from '../../../transport/tls/tls-identity.ts';
import { secureServer, tlsServerOptions } from '../../../transport/tls/tls-server.ts';
import { newSource, newTestAuthority } from '../../support/peers/identities.ts';
import type { PemSource } from '../../support/peers/identities.ts';
import { until } from '../../support/process/stele-process.ts';

const HOST = '127.0.0.1';
let ours: PemSource;
let strangers: PemSource;
let identity: TlsIdentity;

beforeAll(async () => {
  ours = await newSource(await newTestAuthority());
  strangers = await newSource(await newTestAuthority());
  identity = new TlsIdentity(ours);
});

/** A port that sends back what it gets. */
async function echo(tls: TlsIdentity | undefined): Promise<number> {
  const accepted = new Set<Socket>();
  const { port, server } = await listenTcp(
    { host: HOST, port: 0, flag: '--x', tls },
    {},
    (socket) => {
      accepted.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => socket.write(bytes[0] === 0x16 ? '-ERR this is TLS' : bytes));
    },
  );
  onTestFinished(() => {
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  return port;
}

/** What comes back for `hello`, or why nothing does. */
function echoed(port: number, tls: TlsIdentity | undefined, host = HOST): Promise<string> {
  const socket = dial(host, port, { tls });
  onTestFinished(() => void socket.destroy());
  return new Promise((resolve) => {
    socket.on('data', (bytes) => resolve(bytes.toString()));
    socket.on('error', (error) => resolve(dialReason(error)));
    socket.on('close', () => resolve('closed'));
    socket.on(establishedEvent(tls), () => socket.write('hello'));
  });
}

describe('a port of TLS', () => {
  it('serves a client with its certificate, without one, and by the name in the certificate', async () => {
    const port = await echo(identity);
    expect(await echoed(port, identity)).toBe('hello');
    expect(await echoed(port, new TlsIdentity({ ca: ours.ca }))).toBe('hello');
    expect(await echoed(port, new TlsIdentity({ ca: ours.ca }), 'localhost')).toBe('hello');
  });

  it('is not trusted with a certificate of another authority, or for another name', async () => {
    const port = await echo(identity);
    expect(await echoed(port, new TlsIdentity({ ca: strangers.ca }))).toMatch(
      /^TLS: its certificate is not signed by an authority that is trusted here; name .* --tls-ca/,
    );
    const named = new TlsIdentity({
      ...ours,
      ...(await newSource(await newTestAuthority(), ['db1'])),
    });
    expect(await echoed(await echo(named), named)).toMatch(/^TLS: .*IP: 127.0.0.1 .* not in/);
  });

  it('cuts off a client with a certificate of another authority', async () => {
    const port = await echo(identity);
    const before = identity.failedHandshakes;
    expect(await echoed(port, new TlsIdentity({ ...strangers, ca: ours.ca }))).toMatch(
      /closed|ECONNRESET/,
    );
    expect(identity.failedHandshakes).toBe(before + 1);
  });

  it('closes connections with other bytes at once, and tells a client with TLS from a port without', async () => {
    expect(await echoed(await echo(identity), undefined)).toBe('closed');
    expect(await echoed(await echo(undefined), identity)).toMatch(
      /^TLS: it does not use TLS there; leave out the --tls- settings .*[(]wrong version number[)]$/,
    );
  });

  it('takes TLS 1.2 and 1.3, and no older version', async () => {
    const port = await echo(identity);
    const versionOf = async (options: ConnectionOptions): Promise<string | null> => {
      const socket = connectTls({ host: HOST, port, ca: ours.ca, ...options });
      onTestFinished(() => void socket.destroy());
      try {
        await once(socket, 'secureConnect');
        return socket.getProtocol();
      } catch (thrown) {
        return dialReason(thrown);
      }
    };
    expect(await versionOf({})).toBe('TLSv1.3');
    expect(await versionOf({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
    const old = {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    } as const;
    expect(await versionOf(old)).toMatch(/no version of TLS in common/);
  });

  it('does not renegotiate', async () => {
    const port = await echo(identity);
    const options = { host: HOST, port, ca: ours.ca, maxVersion: 'TLSv1.2' } as const;
    const socket: TLSSocket = connectTls(options);
    onTestFinished(() => void socket.destroy());
    await once(socket, 'secureConnect');
    const failed = once(socket, 'error');
    socket.renegotiate({}, () => undefined);
    expect(String(((await failed) as Error[])[0])).toMatch(/no renegotiation/);
  });

  it('closes connections whose handshake comes to no end, and serves others meanwhile', async () => {
    const server = createTlsServer(tlsServerOptions(identity), (socket) => socket.end('hello'));
    secureServer(server, identity, 300);
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const halfOpen = Array.from({ length: 50 }, () => connect(port, HOST));
    let closed = 0;
    for (const socket of halfOpen) {
      // A byte now and then must not put off the deadline.
      const more = setInterval(() => socket.write('\u0016'), 50);
      socket
        .on('error', () => undefined)
        .on('close', () => {
          clearInterval(more);
          closed++;
        });
      socket.resume();
    }
    expect(await echoed(port, identity)).toBe('hello');
    await until('their end', () => closed === halfOpen.length, 5000);
  });
});

describe('gRPC with TLS', () => {
  async function serve(tls: TlsIdentity | undefined): Promise<string> {
    const server = new GrpcServer();
    const port = await server.listen(HOST, 0, '--grpc-port', tls);
    onTestFinished(() => server.close(0));
    return `${HOST}:${port}`;
  }

  async function failure(
    address: string,
    tls: TlsIdentity | undefined,
    certifiedAs = address,
  ): Promise<string> {
    const client = openClient(ClusterServiceClient, address, { tls, certifiedAs });
    onTestFinished(() => client.close());
    const options = { deadlineMs: 10_000 };
    return callUnary(client.listKeyspaces.bind(client), {}, 'the peer', options).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  }

  it('reaches the server, and says why it does not', async () => {
    const secured = await serve(identity);
    const plain = await serve(undefined);
    expect(await failure(secured, identity)).toMatch(/does not implement the method/);
    expect(await failure(secured, new TlsIdentity({ ca: strangers.ca }))).toMatch(
      /TLS: its certificate is not signed by an authority/,
    );
    expect(await failure(secured, undefined)).toMatch(/if it uses TLS, give --tls-ca/);
    expect(await failure(plain, identity)).toMatch(/TLS: it does not use TLS there/);
    expect(await failure(secured, new TlsIdentity({ ...strangers, ca: ours.ca }))).toMatch(
      /it may not accept our certificate|ECONNRESET/,
    );
  });

  it('checks the name that an IP address was resolved from', async () => {
    const authority = await newTestAuthority();
    const named = new TlsIdentity(await newSource(authority, ['db1']));
    const address = await serve(named);
    expect(await failure(address, named, 'db1:8400')).toMatch(/does not implement the method/);
    expect(await failure(address, named)).toMatch(/TLS: Hostname/);
  });
});

it('new certificates are used for the next handshake, and open connections go on', async () => {
  const authority = await newTestAuthority();
  const before = await newSource(authority);
  const source = { ...before };
  const renewed = new TlsIdentity(source);
  const app = createServer(tlsServerOptions(renewed), (_request, response) => response.end('ok'));
  secureServer(app, renewed);
  await new Promise<void>((resolve) => app.listen(0, HOST, resolve));
  onTestFinished(() => void app.close());
  const { port } = app.address() as AddressInfo;
  const tcp = await echo(renewed);
  const open = dial(HOST, tcp, { tls: renewed });
  onTestFinished(() => void open.destroy());
  await once(open, 'secureConnect');
  const serialOf = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const call = request({ host: HOST, port, ca: authority.cert, agent: false }, (response) => {
        resolve((response.socket as TLSSocket).getPeerX509Certificate()?.serialNumber ?? '');
        response.resume();
      });
      call.on('error', reject);
      call.end();
    });
  const first = await serialOf();
  Object.assign(source, await newSource(authority));
  renewed.look();
  expect(await serialOf()).not.toBe(first);
  open.write('y');
  expect(String(((await once(open, 'data')) as Buffer[])[0])).toBe('y');
});
