/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// Users, roles and tokens, over gRPC: what `stele user`, `stele role` and `stele token` call on a
// master.

import type { DialIdentity } from '../transport/dial-identity.ts';
import type { UnaryMethod } from '../transport/grpc-channel.ts';
import { MasterChannel } from '../transport/master-channel.ts';
import { explainMasterError } from '../transport/master-errors.ts';
import { AccessServiceClient } from '../proto/gen/stele/v1/access.ts';
import type {
  AccessRole,
  AddUserRequest,
  ChangeUserRequest,
  CreateTokenRequest,
  CreateTokenResponse,
  RoleSummary,
  TokenSummary,
  UserSummary,
} from '../proto/gen/stele/v1/access.ts';
import { USER } from './admin.ts';

/** Every method throws SteleError. Call close() at the end. */
export class AccessAdmin {
  readonly #masters: MasterChannel<AccessServiceClient>;
  readonly #deadlineMs: number;

  /** `masters` as for --master. */
  constructor(masters: string, deadlineMs: number, identity: DialIdentity = {}) {
    this.#deadlineMs = deadlineMs;
    this.#masters = new MasterChannel(AccessServiceClient, masters, {
      explain: (error, address) => explainMasterError(error, address),
      ...identity,
    });
  }

  async listUsers(): Promise<UserSummary[]> {
    return (await this.#call((client) => client.listUsers, {}, true)).users;
  }

  async addUser(request: AddUserRequest): Promise<void> {
    await this.#call((client) => client.addUser, request);
  }

  async changeUser(request: ChangeUserRequest): Promise<void> {
    await this.#call((client) => client.changeUser, request);
  }

  async removeUser(name: string): Promise<void> {
    await this.#call((client) => client.removeUser, { name });
  }

  async listRoles(): Promise<RoleSummary[]> {
    return (await this.#call((client) => client.listRoles, {}, true)).roles;
  }

  async putRole(role: AccessRole): Promise<void> {
    await this.#call((client) => client.putRole, { role });
  }

  async removeRole(name: string): Promise<void> {
    await this.#call((client) => client.removeRole, { name });
  }

  createToken(request: CreateTokenRequest): Promise<CreateTokenResponse> {
    return this.#call((client) => client.createToken, request);
  }

  /** Of one user; with an empty name, all that the caller may see. */
  async listTokens(user: string): Promise<TokenSummary[]> {
    return (await this.#call((client) => client.listTokens, { user }, true)).tokens;
  }

  async revokeToken(id: string): Promise<void> {
    await this.#call((client) => client.revokeToken, { id });
  }

  close(): void {
    this.#masters.close();
  }

  #call<Request, Response>(
    methodOf: (client: AccessServiceClient) => UnaryMethod<Request, Response>,
    request: Request,
    isRepeatable = false,
  ): Promise<Response> {
    const options = { deadlineMs: this.#deadlineMs, user: USER, isRepeatable };
    return this.#masters.call(methodOf, request, options);
  }
}
