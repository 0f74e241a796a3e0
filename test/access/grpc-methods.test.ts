import { expect, it } from 'vitest';
import { GRPC_METHODS, isChange } from '../../access/grpc-methods.ts';

/** Every other method asks for something, or is between processes of the cluster. */
const CHANGES = [
  ...[
    'Rollback',
    'Promote',
    'DropVersion',
    'SetKeep',
    'SetCache',
    'SetTier',
    'SetReplication',
    'CancelLoad',
    'CreateKeyspace',
  ],
  ...['DropKeyspace', 'SuspendKeyspace', 'ResumeKeyspace'],
  ...['DrainNode', 'ResumeNode', 'RestartNode', 'RemoveNode', 'StepDown', 'CleanArchive'],
  ...['BeginLoad', 'CommitLoad', 'AbortLoad'],
  ...['AddUser', 'ChangeUser', 'RemoveUser', 'PutRole', 'RemoveRole'],
];

it('knows which methods change something, for the audit log', () => {
  const found = [...GRPC_METHODS.keys()].filter(isChange);
  const names = found.map((path) => path.slice(path.lastIndexOf('/') + 1));
  // Tokens are a user's own.
  const others = names.filter((name) => !name.endsWith('Token'));
  expect(others.sort()).toEqual([...CHANGES].sort());
  expect(isChange('/stele.v1.ClusterService/NoSuchMethod')).toBe(false);
});
