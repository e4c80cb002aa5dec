# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What a tile of scores says of ranks and of nearest rows, without a sort, and what codes of 8 bits say of products; holds
no GIL, so threads share the rows out.

A row is closer than another where its score is higher or, at an equal score, its index lower. Every function gives the
numbers of its namesake in `fastpatent.retrieval.torch_kernel`, in any order of tiles.
"""
from libc.limits cimport INT_MAX
from libc.math cimport INFINITY
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc

cdef extern from *:
    """
    #if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
    #define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))  /* the widest vectors of the processor */
    #else
    #define WIDE
    #endif

    #define CHUNK 64  /* scores looked at before it is asked whether one of them matters */
    #define FEW 32    /* up to this many thresholds a vectorised pass for each is faster than a search for each score */

    /* How many of `count` scores are above `limit`; *equal: how many equal it. */
    WIDE static int count_above(const float *scores, int count, float limit, int *equal) {
        int above = 0, same = 0;
        for (int i = 0; i < count; i++) {
            above += scores[i] > limit;
            same += scores[i] == limit;
        }
        *equal = same;
        return above;
    }

    /* Whether any of `count` scores reaches `limit`. */
    WIDE static int any_reaches(const float *scores, int count, float limit) {
        int found = 0;
        for (int i = 0; i < count; i++) found |= scores[i] >= limit;
        return found;
    }

    /* Whether any of `count` scores reaches the limit beside it. */
    WIDE static int any_reaches_its_own(const float *scores, const float *limits, int count) {
        int found = 0;
        for (int i = 0; i < count; i++) found |= scores[i] >= limits[i];
        return found;
    }

    /* The sum of `count` products. */
    WIDE static int32_t product_of_codes(const int8_t *codes, const int16_t *asked, int count) {
        int32_t sum = 0;
        for (int i = 0; i < count; i++) sum += (int32_t) codes[i] * (int32_t) asked[i];
        return sum;
    }
    """
    const int64_t CHUNK
    const int64_t FEW
    int count_above(const float* scores, int count, float limit, int* equal) nogil
    int any_reaches(const float* scores, int count, float limit) nogil
    int any_reaches_its_own(const float* scores, const float* limits, int count) nogil
    int32_t product_of_codes(const int8_t* codes, const int16_t* asked, int count) nogil


cdef inline bint closer(float score, int64_t index, float limit, int64_t limit_index) noexcept nogil:
    return score > limit or (score == limit and index < limit_index)


cdef inline void insert(float* scores, int64_t* indices, int64_t k, float score, int64_t index) noexcept nogil:
    """Put a row, closer than the last one, into its place among the k nearest."""
    cdef int64_t place = k - 1
    while place > 0 and closer(score, index, scores[place - 1], indices[place - 1]):
        scores[place] = scores[place - 1]
        indices[place] = indices[place - 1]
        place -= 1
    scores[place] = score
    indices[place] = index


cdef void count_few(const float* scores, const int64_t* columns, int count, const float* limits, const int64_t* indices,
                    int64_t relevant, int64_t* closer_rows) noexcept nogil:
    cdef int64_t place
    cdef int other, equal
    for place in range(relevant):
        closer_rows[place] += count_above(scores, count, limits[place], &equal)
        if equal:
            for other in range(count):
                closer_rows[place] += scores[other] == limits[place] and columns[other] < indices[place]


cdef void count_many(const float* scores, const int64_t* columns, int count, const float* limits, const int64_t* indices,
                     int64_t relevant, int64_t* closer_rows, int64_t* first_beaten) noexcept nogil:
    cdef int64_t low, left, half, total = 0
    cdef int other
    # Each row is counted at the best threshold that it is closer than; the sums over places follow from that.
    for other in range(count):
        low = 0
        left = relevant
        while left > 0:
            half = left >> 1
            if closer(scores[other], columns[other], limits[low + half], indices[low + half]):
                left = half
            else:
                low += half + 1
                left -= half + 1
        if low < relevant:
            first_beaten[low] += 1
    for low in range(relevant):
        total += first_beaten[low]
        closer_rows[low] += total
        first_beaten[low] = 0


cdef int check_tile(int64_t start, int64_t stop, int64_t rows, int64_t columns, int64_t width) except -1:
    """Raise ValueError unless start:stop lies within `rows`, and a tile of `width` columns has `columns`, in a C int."""
    if not 0 <= start <= stop <= rows:
        raise ValueError(f"rows {start} to {stop} of {rows} were asked for")
    if columns > min(width, INT_MAX):
        raise ValueError(f"{columns} indices came with scores of {width} columns")
    return 0


cdef int check_top(const float[:, ::1] top_scores, const int64_t[:, ::1] top_indices) except -1:
    """Raise ValueError unless both have one shape, with at least one column."""
    if (top_scores.shape[0] != top_indices.shape[0] or top_scores.shape[1] != top_indices.shape[1]
            or top_scores.shape[1] < 1):
        raise ValueError(f"the nearest rows have scores of {top_scores.shape[0]} x {top_scores.shape[1]} and indices of "
                         f"{top_indices.shape[0]} x {top_indices.shape[1]}")
    return 0


def count_closer(const float[:, ::1] scores not None, const int64_t[::1] columns not None,
                 const float[::1] limits not None, const int64_t[::1] indices not None,
                 const int64_t[::1] offsets not None, int64_t[::1] closer_rows not None, int64_t start, int64_t stop):
    """Add to closer_rows[p], for the thresholds p of the rows start <= i < stop, how many columns of the tile are closer.

    Args:
        scores: float32 [rows, columns or more].
        columns: int64 [columns], the gallery index of each column.
        limits, indices: float32, int64 [thresholds]: score and gallery index, each row's closest first.
        offsets: int64 [rows + 1]: limits[offsets[i]:offsets[i + 1]] belong to row i.
        closer_rows: int64 [thresholds], added to.

    Raises:
        ValueError: shapes or offsets that do not fit together.
    """
    cdef int64_t row, relevant, most = 1
    check_tile(start, stop, min(scores.shape[0], offsets.shape[0] - 1), columns.shape[0], scores.shape[1])
    if limits.shape[0] != indices.shape[0] or limits.shape[0] != closer_rows.shape[0]:
        raise ValueError(f"{limits.shape[0]} limits came with {indices.shape[0]} indices and {closer_rows.shape[0]} counts")
    for row in range(start, stop):
        if not 0 <= offsets[row] <= offsets[row + 1] <= limits.shape[0]:
            raise ValueError(f"offsets {offsets[row]} to {offsets[row + 1]} of row {row} do not lie in {limits.shape[0]} limits")
        most = max(most, offsets[row + 1] - offsets[row])
    cdef int64_t* first_beaten = <int64_t*> calloc(most, sizeof(int64_t))
    if first_beaten == NULL:
        raise MemoryError
    with nogil:
        for row in range(start, stop):
            relevant = offsets[row + 1] - offsets[row]
            if relevant == 0 or columns.shape[0] == 0:
                continue
            if relevant <= FEW:
                count_few(&scores[row, 0], &columns[0], columns.shape[0], &limits[offsets[row]], &indices[offsets[row]],
                          relevant, &closer_rows[offsets[row]])
            else:
                count_many(&scores[row, 0], &columns[0], columns.shape[0], &limits[offsets[row]], &indices[offsets[row]],
                           relevant, &closer_rows[offsets[row]], first_beaten)
    free(first_beaten)


def update_top(const float[:, ::1] scores not None, const int64_t[::1] columns not None,
               float[:, ::1] top_scores not None, int64_t[:, ::1] top_indices not None, int64_t start, int64_t stop):
    """Merge the columns of a tile into the k nearest of the rows start <= i < stop.

    Args:
        scores: float32 [rows, columns or more].
        columns: int64 [columns], the index of each column.
        top_scores, top_indices: float32, int64 [rows, k], nearest first, -infinity where there is none yet; updated.

    Raises:
        ValueError: shapes that do not fit together.
    """
    cdef int64_t row, chunk, first, other, k = top_scores.shape[1], count = columns.shape[0]
    cdef int length
    check_top(top_scores, top_indices)
    check_tile(start, stop, min(scores.shape[0], top_scores.shape[0]), count, scores.shape[1])
    with nogil:
        for row in range(start, stop):
            for chunk in range((count + CHUNK - 1) // CHUNK):
                first = chunk * CHUNK
                length = <int> min(CHUNK, count - first)
                if not any_reaches(&scores[row, first], length, top_scores[row, k - 1]):
                    continue
                for other in range(first, first + length):
                    if closer(scores[row, other], columns[other], top_scores[row, k - 1], top_indices[row, k - 1]):
                        insert(&top_scores[row, 0], &top_indices[row, 0], k, scores[row, other], columns[other])


def update_top_of_columns(const float[:, ::1] scores not None, const int64_t[::1] rows not None,
                          float[:, ::1] top_scores not None, int64_t[:, ::1] top_indices not None,
                          int64_t start, int64_t stop):
    """Merge the rows of a tile into the k nearest of the columns start <= j < stop; the transpose of `update_top`.

    Args:
        scores: float32 [rows or more, columns].
        rows: int64 [rows], the index of each row.
        top_scores, top_indices: float32, int64 [columns, k], as above; updated.

    Raises:
        ValueError: shapes that do not fit together.
    """
    cdef int64_t row, chunk, first, other, k = top_scores.shape[1]
    cdef int length
    check_top(top_scores, top_indices)
    check_tile(start, stop, min(scores.shape[1], top_scores.shape[0]), rows.shape[0], scores.shape[0])
    if stop == start:
        return
    cdef float* limits = <float*> malloc((stop - start) * sizeof(float))
    if limits == NULL:
        raise MemoryError
    with nogil:
        for other in range(start, stop):
            limits[other - start] = top_scores[other, k - 1]
        for row in range(rows.shape[0]):
            for chunk in range((stop - start + CHUNK - 1) // CHUNK):
                first = start + chunk * CHUNK
                length = <int> min(CHUNK, stop - first)
                if not any_reaches_its_own(&scores[row, first], limits + first - start, length):
                    continue
                for other in range(first, first + length):
                    if closer(scores[row, other], rows[row], top_scores[other, k - 1], top_indices[other, k - 1]):
                        insert(&top_scores[other, 0], &top_indices[other, 0], k, scores[row, other], rows[row])
                        limits[other - start] = top_scores[other, k - 1]
    free(limits)


def bound_products(const int8_t[:, ::1] codes not None, const float[:, ::1] scales not None, rows, starts,
                   const int16_t[:, ::1] asked not None, const float[:, ::1] asked_scales not None,
                   float[:, ::1] lower not None, float[:, ::1] upper not None, int64_t start, int64_t stop):
    """Bound the products of queries with the groups start <= j < stop; see `fastpatent.retrieval.codes.bounds`.

    Args:
        codes, scales: int8 [vectors, dim], float32 [vectors, 2]: see `encode`.
        rows: int64 [columns], the vector of each column; None: column j is of vector j.
        starts: int64 [groups + 1], first column of each group, and their number; None: column j is group j.
        asked: int16 [queries, dim].
        asked_scales: float32 [queries, 3]: value of a code; margin for each unit of a vector's error; margin of the query.
        lower, upper: float32 [queries, groups], written: the highest of a group, -inf where it has no column.

    Raises:
        ValueError: shapes that do not fit together, or a row or column that is none.
    """
    cdef const int64_t[::1] chosen = rows
    cdef const int64_t[::1] first = starts
    cdef int64_t row, column, begin, end, group, query, vectors = codes.shape[0], queries = asked.shape[0]
    cdef int64_t columns = vectors if rows is None else chosen.shape[0]
    cdef int dim = <int> codes.shape[1]
    cdef float product, margin
    if not 0 <= start <= stop <= (columns if starts is None else first.shape[0] - 1):
        raise ValueError(f"groups {start} to {stop} were asked for")
    if (scales.shape[0] != vectors or scales.shape[1] != 2 or asked.shape[1] != dim or asked_scales.shape[0] != queries
            or asked_scales.shape[1] != 3 or min(lower.shape[0], upper.shape[0]) < queries
            or min(lower.shape[1], upper.shape[1]) < stop):
        raise ValueError("codes, queries and bounds do not fit together")
    if starts is not None:
        for group in range(start, stop):
            if not 0 <= first[group] <= first[group + 1] <= columns:
                raise ValueError(f"columns {first[group]} to {first[group + 1]} of {columns} were asked for")
    begin, end = start, stop
    if starts is not None and start < stop:
        begin, end = first[start], first[stop]
    for column in range(begin, end if rows is not None else begin):
        if not 0 <= chosen[column] < vectors:
            raise ValueError(f"row {chosen[column]} of {vectors} was asked for")
    with nogil:
        for group in range(start, stop):
            begin = group if first is None else first[group]
            end = group + 1 if first is None else first[group + 1]
            for query in range(queries):
                lower[query, group] = upper[query, group] = -INFINITY
            for column in range(begin, end):
                row = column if chosen is None else chosen[column]
                for query in range(queries):
                    product = asked_scales[query, 0] * scales[row, 0]
                    product = product * product_of_codes(&codes[row, 0], &asked[query, 0], dim)
                    margin = asked_scales[query, 1] * scales[row, 1] + asked_scales[query, 2]
                    lower[query, group] = max(lower[query, group], product - margin)
                    upper[query, group] = max(upper[query, group], product + margin)
