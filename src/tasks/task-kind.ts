/** single: classes that exclude each other; multi: any number of labels an example; ordered: classes in an order. */
export type TaskKind = 'single' | 'multi' | 'regression' | 'ordered';
