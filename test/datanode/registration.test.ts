import { expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { Datanode } from '../../datanode/node.ts';
import { GrpcRegistrar, keepRegistered } from '../../datanode/registration.ts';
import { RegisterNodeRequest } from '../../proto/gen/stele/v1/cluster.ts';
import { startMasterPeer, startMasterProcess } from '../support/peers/masters.ts';
import { refusingPort, startMutePeer } from '../support/peers/peers.ts';
import { until } from '../support/process/stele-process.ts';

const request = RegisterNodeRequest.decode(new Uint8Array());
/** As in keepRegistered(). */
const DEADLINE_MS = 2000;

function registrarAt(...masters: string[]): GrpcRegistrar {
  const registrar = new GrpcRegistrar(masters.join(','));
  onTestFinished(() => registrar.close());
  return registrar;
}

const register = (registrar: GrpcRegistrar): Promise<unknown> =>
  registrar.registerNode(request, { deadlineMs: DEADLINE_MS });

test('a datanode registers with any master that answers, and goes on when that one dies', async () => {
  const [mute, leaderless] = [
    await startMutePeer(),
    await startMasterPeer(new SteleError('UNAVAILABLE', 'This master knows no leader.')),
  ];
  const masters = [await startMasterPeer(), await startMasterPeer()];
  const addresses = [...masters, leaderless].map(({ address }) => address);
  const dead = `127.0.0.1:${await refusingPort()}`;
  const registrar = registrarAt(dead, `127.0.0.1:${mute.port}`, ...addresses);
  await register(registrar);
  const used = masters.find(({ calls }) => calls.length > 0);
  expect(used).toBeDefined();
  await used?.close();
  await register(registrar);
  expect(masters.map(({ calls }) => calls)).toEqual([['registerNode'], ['registerNode']]);
});

test('a datanode leaves a stopped master at one of its next attempts', async () => {
  const stopped = await startMasterProcess();
  const other = await startMasterPeer();
  const registrar = registrarAt(stopped.address, other.address);
  await register(registrar);
  stopped.kill('SIGSTOP');
  // The first attempt may end before the silence of the connection is noticed.
  await until('the other master to be asked', async () => {
    await register(registrar).catch(() => undefined);
    return other.calls.length > 0;
  });
});

test('the error of one address is about that one, of several about each', async () => {
  const dead = [`127.0.0.1:${await refusingPort()}`, `127.0.0.1:${await refusingPort()}`];
  await expect(register(registrarAt(dead[0] ?? ''))).rejects.toThrow(
    `Nothing answers at the master at ${dead[0]} (connect ECONNREFUSED ${dead[0]}).`,
  );
  await expect(register(registrarAt(...dead))).rejects.toThrow(
    `No master answers: ${dead.map((one) => `${one} (connect ECONNREFUSED ${one})`).join(', ')}; start`,
  );
});

test('a datanode warns of masters that do not answer at once, and not in every other words', async () => {
  const stop = new AbortController();
  let nowMs = 0;
  const said: [level: string, text: string, atMs: number][] = [];
  const say = (level: string) => (_: unknown, text: string) => said.push([level, text, nowMs]);
  const log = { ...silentLogger, warn: say('warn'), debug: say('debug') } as never;
  const after: Time['after'] = (delayMs, callback) => {
    nowMs += delayMs;
    return systemTime.soon(callback);
  };
  const time = { ...systemTime, nowMs: () => nowMs, after };
  const contact = { heardAtMs: undefined, noAnswer: () => undefined };
  const node = { contact, checkContact: () => undefined, identity: {} } as unknown as Datanode;
  const registerNode = async (): Promise<never> => {
    if (nowMs > 100_000) stop.abort();
    if (nowMs > 90_000) throw new SteleError('WRONG_NODE', 'Of another cluster.');
    if (nowMs > 20_000) throw new SteleError('UNAVAILABLE', 'No master answers.');
    throw new SteleError(nowMs % 2000 < 1000 ? 'UNAVAILABLE' : 'DEADLINE_EXCEEDED', `At ${nowMs}.`);
  };
  const registrar = { registerNode, close: () => undefined };
  await keepRegistered(node, registrar, { zone: '', weight: 1 }, log, stop.signal, time);
  expect(said.length).toBeGreaterThan(90);
  const warned = said.filter(([level]) => level === 'warn').map(([, , atMs]) => atMs);
  const expected = [0, 10_000, 20_000, 80_000, 90_000];
  expect(warned.map((atMs) => Math.floor(atMs / 10_000) * 10_000)).toEqual(expected);
});
