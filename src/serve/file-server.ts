/**
 * An HTTP server of a fixed table of files. The address of a request is looked up in the table as it came, undecoded, and
 * never becomes a path: what is not in the table does not exist.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { GraftError, messageOf, systemErrorCode } from '../errors.js';

export interface ServedFile {
  /** Its content type. */
  readonly type: string;
  /** The content, or the path of the file that holds it. */
  readonly content: Uint8Array | string;
}

export interface FileServer {
  /** Where it listens, with a slash at the end. */
  readonly url: string;
  /** Ends connections that are open, too. */
  close(): Promise<void>;
}

export interface FileServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** Of every answer. */
const headers: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  // Both are asked for before a page may share memory among threads.
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(self), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/**
 * @param files - by path, as `/page.css`
 * @throws GraftError ADDRESS_UNAVAILABLE where the server cannot listen there.
 */
export async function openFileServer(
  files: ReadonlyMap<string, ServedFile>,
  { host, port }: FileServerOptions,
): Promise<FileServer> {
  const server = createServer((request, response) => {
    answer(request, response, files, (given) => isOwnName(given, host, server)).catch((error: unknown) => {
      // The reader went away, or the file did: there is nobody, or nothing, to tell.
      response.destroy(error instanceof Error ? error : undefined);
    });
  });
  await listen(server, host, port);
  const address = server.address() as AddressInfo;
  const shown = isAnyAddress(host) ? 'localhost' : isIPv6(host) ? `[${host}]` : host;
  return {
    url: `http://${shown}:${address.port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new GraftError('ADDRESS_UNAVAILABLE', whyNot(error, host, port), { cause: error }));
    });
    server.listen(port, host, resolve);
  });
}

function whyNot(error: unknown, host: string, port: number): string {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is taken; choose another with --port, or leave it out for any that is free.`;
    case 'EACCES':
      return `This user may not listen on port ${port}; choose one above 1023 with --port.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is no address of this machine; leave --host out for this machine alone, or take 0.0.0.0 for its network.`;
    default:
      return `Cannot listen on port ${port} of ${host}: ${messageOf(error)}.`;
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  files: ReadonlyMap<string, ServedFile>,
  isOwn: (host: string | undefined) => boolean,
): Promise<void> {
  const refuse = (status: number, text: string, more: Record<string, string> = {}): void => {
    response.writeHead(status, { ...headers, ...more, 'content-type': 'text/plain; charset=utf-8' });
    response.end(`${text}\n`);
  };
  // A name that an attacker's DNS points at this machine would make this a page of the attacker's own site.
  if (!isOwn(request.headers.host)) {
    return refuse(403, 'This server answers only to the address that it was started with.');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(405, 'Only GET and HEAD are answered.', { allow: 'GET, HEAD' });
  }
  const file = files.get(request.url!.split('?', 1)[0]!);
  if (!file) return refuse(404, 'There is nothing here.');
  const { type, content } = file;
  const length = typeof content === 'string' ? (await stat(content)).size : content.length;
  response.writeHead(200, { ...headers, 'content-type': type, 'content-length': length });
  if (request.method === 'HEAD') response.end();
  else if (typeof content === 'string') await pipeline(createReadStream(content), response);
  else response.end(content);
}

/** Where only this machine can reach the server, it goes by the names of this machine alone. */
function isOwnName(given: string | undefined, host: string, server: Server): boolean {
  if (!isLoopback(host)) return true;
  // The server may be closing while a request is still read.
  const port = (server.address() as AddressInfo | null)?.port;
  const { name, port: givenPort } =
    /^(?<name>\[[^\]]*\]|[^:]*)(?::(?<port>\d+))?$/.exec(given ?? '')?.groups ?? {};
  const names = ['localhost', '127.0.0.1', '[::1]', host.toLowerCase()];
  return name !== undefined && names.includes(name.toLowerCase()) && Number(givenPort ?? 80) === port;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
