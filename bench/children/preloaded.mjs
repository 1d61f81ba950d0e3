// Nothing, on jemalloc.
import 'heapgap/preload';
