// stele.v1.AccessService over the calls of the leader.

import { visibleTokens } from '../../access/visible.ts';
import type { AccessServiceServer } from '../../proto/gen/stele/v1/access.ts';
import type { AccessCalls } from '../../proto/operations.ts';
import { unary } from '../callers/grpc-handlers.ts';

export function accessService(calls: AccessCalls): AccessServiceServer {
  const done = async (call: Promise<void>): Promise<Record<string, never>> => {
    await call;
    return {};
  };
  return {
    listUsers: unary(() => calls.listUsers()),
    addUser: unary((request) => done(calls.addUser(request))),
    changeUser: unary((request) => done(calls.changeUser(request))),
    removeUser: unary(({ name }) => done(calls.removeUser(name))),
    listRoles: unary(() => calls.listRoles()),
    putRole: unary((request) => done(calls.putRole(request))),
    removeRole: unary(({ name }) => done(calls.removeRole(name))),
    createToken: unary((request) => calls.createToken(request)),
    listTokens: unary(async (request, _, subject) =>
      visibleTokens(subject, await calls.listTokens(request)),
    ),
    revokeToken: unary(({ id }) => done(calls.revokeToken(id))),
    getAccessList: unary(async () => ({ list: await calls.accessList() })),
  };
}
