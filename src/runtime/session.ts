/** What the rest of the project knows of a running model; onnxruntime itself stays inside this folder. */
import type { Tensor } from '../tensor/tensor.js';

/** Execution providers of onnxruntime-node, in the order in which they are told of. */
export const nodeProviders = ['cuda', 'coreml', 'dml', 'webgpu', 'cpu'] as const;
export type NodeProvider = (typeof nodeProviders)[number];
export const devices = ['auto', 'cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const satisfies readonly (
  'auto' | NodeProvider
)[];
export type Device = (typeof devices)[number];
/** An execution provider that really runs a session. */
export type Provider = NodeProvider | 'wasm';

export interface SessionOptions {
  readonly device?: Device;
  /** Threads inside one operator; default: all cores. */
  readonly threads?: number;
  /**
   * Whether threads without work keep their processors until the next operator comes, which is sooner for many small ones; default
   * true. Between runs they do so too, where others could use the time.
   */
  readonly spin?: boolean;
  /**
   * Whether the first run plans the memory of later ones of the same shapes; default true. Planning takes time with the square
   * of the values: 9 s for 40 000 small nodes that run in half a second.
   */
  readonly planMemory?: boolean;
  /** Graph optimisation; 'all' by default. */
  readonly optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Where the graph that is run, as the optimisation left it, is written. */
  readonly optimizedFile?: string;
}

export type TensorMap = Readonly<Record<string, Tensor>>;

export interface Session {
  readonly provider: Provider;
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /**
   * Runs the model. `into` names outputs whose memory the caller provides (float32 of exactly the right size);
   * the others are allocated. Input memory is not copied on the CPU.
   * @throws GraftError RUNTIME_FAILURE with onnxruntime's own words.
   */
  run(feeds: TensorMap, into?: TensorMap): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}
