// Clients of Zitadel on npm @connectrpc, made from a set of file descriptors, against a running issuer. Arguments: transport, issuer,
// operator's token, path of the descriptors. It fails on everything unexpected.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { Code, ConnectError, createClient } from '@connectrpc/connect'
import * as web from '@connectrpc/connect-web'
import * as node from '@connectrpc/connect-node'

const [transport, baseUrl, operator, descriptors] = process.argv.slice(2)
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fs.readFileSync(descriptors)))

let bearer = operator
const authorize = (next) => (request) => {
  if (bearer) request.header.set('Authorization', `Bearer ${bearer}`)
  request.header.set('x-zitadel-orgid', 'default')
  return next(request)
}
const options = { baseUrl, interceptors: [authorize] }
const over = {
  'web-connect': () => web.createConnectTransport(options),
  'web-connect-binary': () => web.createConnectTransport({ ...options, useBinaryFormat: true }),
  'web-grpc-web': () => web.createGrpcWebTransport(options),
  'web-grpc-web-json': () => web.createGrpcWebTransport({ ...options, useBinaryFormat: false }),
  'node-connect': () => node.createConnectTransport({ ...options, httpVersion: '1.1' }),
  'node-connect-2': () => node.createConnectTransport({ ...options, httpVersion: '2' }),
  'node-grpc': () => node.createGrpcTransport(options),
  'node-grpc-web': () => node.createGrpcWebTransport({ ...options, httpVersion: '2' }),
}[transport]()
const client = (name) => createClient(registry.getService(name), over)
const management = client('zitadel.management.v1.ManagementService')
const own = client('zitadel.auth.v1.AuthService')
const users = client('zitadel.user.v2.UserService')
const key = `key-${transport}`

// fails asserts the code, the text and the detail of an error.
async function fails(call, code, text, id) {
  const error = ConnectError.from(await call.then(() => assert.fail('no error'), (e) => e))
  assert.equal(error.code, code, error.message)
  assert.equal(error.rawMessage, id ? `${text} (${id})` : text)
  const details = error.findDetails(registry.getMessage('zitadel.v1.ErrorDetail'))
  assert.deepEqual(details.map((d) => [d.id, d.message]), id ? [[id, text]] : [])
}

// Bytes that are no UTF-8 come back as they went.
const value = Uint8Array.from([0xff, 0x00, 0xfe, 0x80])
const set = await management.setUserMetadata({ id: 'jane', key, value })
assert.equal(set.details.resourceOwner, 'default')
const read = await management.getUserMetadata({ id: 'jane', key })
assert.deepEqual(read.metadata.value, value)
assert.equal(read.metadata.details.sequence, set.details.sequence)
assert.equal((await management.setUserMetadata({ id: 'jane', key, value })).details.sequence, set.details.sequence)

const found = await management.listUserMetadata({
  id: 'jane', queries: [{ query: { case: 'keyQuery', value: { key: key.toUpperCase(), method: 1 } } }],
})
assert.equal(found.details.totalResult, 1n)
assert.deepEqual(found.result.map((e) => [e.key, e.value]), [[key, value]])
assert.equal((await own.listMyMetadata({})).result.length, 0)

await users.setUserMetadata({ userId: 'jane', metadata: [{ key: `${key}-2`, value: Uint8Array.from([1]) }, { key, value: new Uint8Array() }] })
const listed = await users.listUserMetadata({
  userId: 'jane', filters: [{ filter: { case: 'keyFilter', value: { key, method: 2 } } }],
})
assert.deepEqual(listed.metadata.map((e) => e.key), [`${key}-2`])
assert.equal(listed.pagination.appliedLimit, 100n)
assert.ok((await users.deleteUserMetadata({ userId: 'jane', keys: [`${key}-2`] })).deletionDate)

await fails(management.getUserMetadata({ id: 'jane', key }), Code.NotFound, 'Metadata not found', 'QUERY-Rgh32')
await fails(management.setUserMetadata({ id: 'nobody', key, value }), Code.FailedPrecondition, 'User could not be found', 'COMMAND-uXHNj')
await fails(management.setUserMetadata({ id: 'jane', key }), Code.InvalidArgument,
  'invalid SetUserMetadataRequest.Value: value length must be between 1 and 500000 bytes, inclusive')
bearer = 'cs_at_unknown'
await fails(own.getMyMetadata({ key }), Code.Unauthenticated, 'Errors.Token.Invalid', 'AUTH-7fs1e')
bearer = ''
await fails(users.listUserMetadata({ userId: 'jane' }), Code.Unauthenticated, 'auth header missing')
console.log('done')
process.exit(0) // connections are kept open
