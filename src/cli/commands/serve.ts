import { once } from 'node:events';
import { defineCommand } from '../define-command.js';
import { portNumber } from '../numeric-options.js';
import { modelOption } from '../shared-options.js';

const options = {
  ...modelOption,
  port: { ...portNumber('port'), default: 0, describe: 'Port; 0 is any that is free' },
  host: {
    type: 'string',
    default: '127.0.0.1',
    requiresArg: true,
    describe: 'Address to listen on; 0.0.0.0 lets the network in',
  },
} as const;

export const serveCommand = defineCommand({
  command: 'serve',
  describe: 'Serve a local page that runs an exported model in the browser',
  options,
  example: ['serve --model model.onnx', 'prints the address of the page; Ctrl-C ends it'],
  farewell: 'Stopped.',
  async run({ model, port, host }, output) {
    const { serveModel } = await import('../../pipeline/serve-model.js');
    const { isLoopback } = await import('../../serve/file-server.js');
    const { url, name, labels, task, sizeBytes, close } = await serveModel({ model, port, host });
    if (!isLoopback(host)) {
      output.logger.warn(
        `Whoever reaches ${host} can load this page and the model. Browsers allow threads, WebGPU and the camera only on localhost or by https.`,
      );
    }
    output.result(
      { url, model, name, task, labels, sizeBytes },
      `${url}  runs ${name} in the browser; Ctrl-C ends it`,
    );
    if (!output.signal.aborted) await once(output.signal, 'abort');
    await close();
  },
});
