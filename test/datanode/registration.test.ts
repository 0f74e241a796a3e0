import { expect, onTestFinished, test } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { GrpcRegistrar } from '../../datanode/registration.ts';
import { RegisterNodeRequest } from '../../proto/gen/stele/v1/cluster.ts';
import { startMasterPeer, startMasterProcess } from '../support/peers/masters.ts';
import { refusingPort, startMutePeer } from '../support/peers/peers.ts';

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

test('a datanode leaves a stopped master at its next attempt', async () => {
  const stopped = await startMasterProcess();
  const other = await startMasterPeer();
  const registrar = registrarAt(stopped.address, other.address);
  await register(registrar);
  stopped.kill('SIGSTOP');
  // The first may run into its deadline before the silence of the connection is noticed.
  await register(registrar).catch((thrown: unknown) => {
    expect(thrown).toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });
  await register(registrar);
  expect(other.calls.length).toBeGreaterThan(0);
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
