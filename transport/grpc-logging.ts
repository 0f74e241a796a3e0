// Imported for its effect by whatever opens channels or servers.
//
// grpc-js writes lines of its own to stderr, where ours are JSON or one sentence for a person.
// Whatever it would log also reaches us as an error. GRPC_VERBOSITY brings its lines back.

import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';

if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE);
