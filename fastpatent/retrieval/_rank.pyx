# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Ranks of a query's relevant rows by counting the rows that are closer, without sorting the gallery."""
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy, memset

# Up to this many relevant rows one vectorised pass over the scores for each is faster than a search per score.
cdef int FEW = 64


cdef int ascending(const void* left, const void* right) noexcept nogil:
    cdef int64_t a = (<const int64_t*> left)[0]
    cdef int64_t b = (<const int64_t*> right)[0]
    return (a > b) - (a < b)


cdef int descending(const void* left, const void* right) noexcept nogil:
    cdef uint64_t a = (<const uint64_t*> left)[0]
    cdef uint64_t b = (<const uint64_t*> right)[0]
    return (a < b) - (a > b)


cdef inline uint64_t closeness(float score, int64_t index) noexcept nogil:
    """Return a number that is higher the closer the row: its score's bits, made to sort as integers, over ~index."""
    cdef uint32_t bits
    score += 0.0  # -0 becomes +0, which it ties with
    memcpy(&bits, &score, sizeof(bits))
    bits = ~bits if bits >> 31 else bits | 0x80000000u
    return (<uint64_t> bits << 32) | <uint32_t> ~<uint32_t> index


cdef int64_t closer_than(const float* scores, int64_t count, int64_t index) noexcept nogil:
    cdef float score = scores[index]
    cdef int closer = 0
    cdef int64_t other
    for other in range(index):
        closer += scores[other] >= score
    for other in range(index + 1, count):
        closer += scores[other] > score
    return closer


cdef void rank_few(const float* scores, int64_t count, const int64_t* members, int64_t relevant,
                   int64_t* ranks) noexcept nogil:
    cdef int64_t place
    for place in range(relevant):
        ranks[place] = 1 + closer_than(scores, count, members[place])
    qsort(ranks, relevant, sizeof(int64_t), ascending)


cdef void rank_many(const float* scores, int64_t count, const int64_t* members, int64_t relevant,
                    int64_t* ranks, uint64_t* keys, int64_t* closer) noexcept nogil:
    cdef int64_t place, other, low, left, half
    cdef uint64_t key
    for place in range(relevant):
        keys[place] = closeness(scores[members[place]], members[place])
    qsort(keys, relevant, sizeof(uint64_t), descending)
    memset(closer, 0, (relevant + 1) * sizeof(int64_t))
    # Each row is counted at the best relevant row that it is closer than; the sums over places then give the ranks.
    for other in range(count):
        key = closeness(scores[other], other)
        low = 0
        left = relevant
        while left > 1:
            half = left >> 1
            low += half if keys[low + half - 1] >= key else 0
            left -= half
        closer[low + (keys[low] >= key)] += 1
    ranks[0] = 1 + closer[0]
    for place in range(1, relevant):
        ranks[place] = ranks[place - 1] + closer[place]


def count_closer(const float[:, :] scores, const int64_t[::1] members, const int64_t[::1] first,
                 const int64_t[::1] last, const int64_t[::1] offsets, int64_t[::1] ranks, int64_t start, int64_t stop):
    """Fill ranks[offsets[i]:offsets[i + 1]], ascending, for the queries start <= i < stop; holds no GIL.

    Arguments as in fastpatent.retrieval.kernel.count_closer_numpy, which gives the same numbers.
    """
    cdef int64_t row, relevant, most = 1
    cdef int64_t count = scores.shape[1]
    if count > 1 and scores.strides[1] != sizeof(float):
        raise ValueError("the scores of one query must lie side by side")
    for row in range(start, stop):
        most = max(most, last[row] - first[row])
    cdef uint64_t* keys = <uint64_t*> malloc(most * sizeof(uint64_t))
    cdef int64_t* closer = <int64_t*> malloc((most + 1) * sizeof(int64_t))
    if keys == NULL or closer == NULL:
        free(keys)
        free(closer)
        raise MemoryError
    with nogil:
        for row in range(start, stop):
            relevant = last[row] - first[row]
            if relevant == 0:
                continue
            if relevant <= FEW:
                rank_few(&scores[row, 0], count, &members[first[row]], relevant, &ranks[offsets[row]])
            else:
                rank_many(&scores[row, 0], count, &members[first[row]], relevant, &ranks[offsets[row]], keys, closer)
    free(keys)
    free(closer)
