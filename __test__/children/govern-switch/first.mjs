import 'heapgap/preload';
import './figures.js';
