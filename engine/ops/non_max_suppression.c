/*
 * NonMaxSuppression, opset 11: boxes by falling score that do not overlap one
 * that was picked before
 *
 *   input   boxes   float [batch, n, 4]
 *           scores  float [batch, classes, n]
 *           max_output_boxes_per_class  int64 [] or [1] = 0
 *           iou_threshold, score_threshold  float [] or [1] = 0, none
 *   output  y       int64 [picked, 3]: batch, class, box
 *   attr    center_point_box  int = 0: [y1, x1, y2, x2], corners in any order;
 *           1: [x centre, y centre, width, height]
 *   errors  ERR_MODEL_INVALID: shapes do not fit, threshold outside [0, 1]
 *           ERR_MODEL_UNSUPPORTED: inputs that are not known while planning
 *   source  ONNX operator list, NonMaxSuppression-11; a score must be above
 *           its threshold, an overlap above its own suppresses
 *
 * How many boxes are picked depends on all elements, so infer computes y and
 * nothing is left to run. Equal scores: the lower index first.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op.h"

enum { BOXES, SCORES, MAX_BOXES, IOU, SCORE };

struct candidate {
    float score;
    int64_t box;
};

struct nms {
    int64_t batches, classes, boxes, max;
    float iou, score;
    bool has_score, is_centered;
    struct candidate *sorted; /* [boxes] */
    int64_t *picked;          /* boxes of one class */
    int64_t (*out)[3];
    int64_t out_count, out_room;
};

static bool read_scalar(const struct op_node *op, size_t i, float *value,
                        struct error *err)
{
    if (!op_has(op, i))
        return true;
    if (!op_want_type(op, i, OP_TYPE(ENG_F32), err))
        return false;
    if (eng_tensor_count(op->in[i]) != 1)
        return fail(err, ERR_MODEL_INVALID, "input %zu is no single number", i);
    *value = *(const float *)op->in[i]->data;
    return true;
}

static bool check_shapes(const struct op_node *op, struct nms *nms,
                         struct error *err)
{
    const struct eng_tensor *boxes = op->in[BOXES], *scores = op->in[SCORES];
    char left[ENG_SHAPE_TEXT], right[ENG_SHAPE_TEXT];

    if (boxes->rank != 3 || scores->rank != 3 || boxes->dims[2] != 4 ||
        boxes->dims[0] != scores->dims[0] || boxes->dims[1] != scores->dims[2])
        return fail(err, ERR_MODEL_INVALID, "shapes %.60s and %.60s do not fit",
                    eng_shape_text(boxes, left), eng_shape_text(scores, right));
    nms->batches = scores->dims[0];
    nms->classes = scores->dims[1];
    nms->boxes = scores->dims[2];
    return op_want_type(op, BOXES, OP_TYPE(ENG_F32), err) &&
           op_want_type(op, SCORES, OP_TYPE(ENG_F32), err);
}

static bool check_known(const struct op_node *op, struct error *err)
{
    for (size_t i = 0; i < op->in_count; i++) {
        if (op->in[i] && !op->in[i]->data)
            return fail(err, ERR_MODEL_UNSUPPORTED,
                        "input %zu is not known before the run", i);
    }
    return true;
}

static bool read_inputs(const struct op_node *op, struct nms *nms,
                        struct error *err)
{
    size_t count = 1;

    if (!check_shapes(op, nms, err) || !check_known(op, err) ||
        (op_has(op, MAX_BOXES) &&
         !op_known_ints(op, MAX_BOXES, &nms->max, 1, &count, err)) ||
        !read_scalar(op, IOU, &nms->iou, err) ||
        !read_scalar(op, SCORE, &nms->score, err) ||
        !op_attr_bool(op, "center_point_box", &nms->is_centered, err))
        return false;
    nms->has_score = op_has(op, SCORE);
    if (count != 1 || !(nms->iou >= 0 && nms->iou <= 1))
        return fail(err, ERR_MODEL_INVALID, "the overlap's limit is %g",
                    (double)nms->iou);
    nms->max = nms->max < 0 ? 0 : nms->max < nms->boxes ? nms->max : nms->boxes;
    return true;
}

/* --- overlap --- */

struct corners {
    float y1, x1, y2, x2; /* y1 <= y2, x1 <= x2 */
};

static struct corners corners_of(const float *box, bool is_centered)
{
    if (is_centered)
        return (struct corners){box[1] - box[3] / 2, box[0] - box[2] / 2,
                                box[1] + box[3] / 2, box[0] + box[2] / 2};
    return (struct corners){fminf(box[0], box[2]), fminf(box[1], box[3]),
                            fmaxf(box[0], box[2]), fmaxf(box[1], box[3])};
}

static float area(const struct corners *box)
{
    return (box->y2 - box->y1) * (box->x2 - box->x1);
}

/* Intersection over union of two boxes; 0 for boxes without an area. */
static float overlap(const float *left, const float *right, bool is_centered)
{
    struct corners a = corners_of(left, is_centered);
    struct corners b = corners_of(right, is_centered);
    float height = fminf(a.y2, b.y2) - fmaxf(a.y1, b.y1);
    float width = fminf(a.x2, b.x2) - fmaxf(a.x1, b.x1);
    float both = height > 0 && width > 0 ? height * width : 0;

    if (area(&a) <= 0 || area(&b) <= 0)
        return 0;
    return both / (area(&a) + area(&b) - both);
}

/* --- picking --- */

static int by_score(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->box > b->box) - (a->box < b->box);
}

static bool suppressed(const struct nms *nms, const float *boxes, int64_t box,
                       int64_t picked)
{
    for (int64_t i = 0; i < picked; i++) {
        if (overlap(boxes + box * 4, boxes + nms->picked[i] * 4,
                    nms->is_centered) > nms->iou)
            return true;
    }
    return false;
}

/* Candidates of one class, best first; scores that are NaN are none. */
static int64_t sort_candidates(struct nms *nms, const float *scores)
{
    int64_t count = 0;

    for (int64_t i = 0; i < nms->boxes; i++) {
        if (nms->has_score ? scores[i] > nms->score : scores[i] == scores[i])
            nms->sorted[count++] = (struct candidate){scores[i], i};
    }
    qsort(nms->sorted, (size_t)count, sizeof *nms->sorted, by_score);
    return count;
}

static bool add_output(struct nms *nms, int64_t batch, int64_t class,
                       int64_t box)
{
    if (nms->out_count == nms->out_room) {
        int64_t room = nms->out_room ? nms->out_room * 2 : 64;
        void *out = realloc(nms->out, (size_t)room * sizeof *nms->out);

        if (!out)
            return false;
        nms->out = out;
        nms->out_room = room;
    }
    nms->out[nms->out_count][0] = batch;
    nms->out[nms->out_count][1] = class;
    nms->out[nms->out_count++][2] = box;
    return true;
}

static bool pick_class(struct nms *nms, const struct op_node *op, int64_t batch,
                       int64_t class)
{
    const float *boxes =
        (const float *)op->in[BOXES]->data + batch * nms->boxes * 4;
    const float *scores = (const float *)op->in[SCORES]->data +
                          (batch * nms->classes + class) * nms->boxes;
    int64_t count = sort_candidates(nms, scores), picked = 0;

    for (int64_t i = 0; i < count && picked < nms->max; i++) {
        int64_t box = nms->sorted[i].box;

        if (suppressed(nms, boxes, box, picked))
            continue;
        nms->picked[picked++] = box;
        if (!add_output(nms, batch, class, box))
            return false;
    }
    return true;
}

static bool pick_all(struct nms *nms, const struct op_node *op)
{
    for (int64_t batch = 0; batch < nms->batches; batch++) {
        for (int64_t class = 0; class < nms->classes; class ++) {
            if (!pick_class(nms, op, batch, class))
                return false;
        }
    }
    return true;
}

static bool nms_infer(struct op_node *op, struct error *err)
{
    struct nms nms = {0};
    struct eng_tensor *y = op->out[0];
    size_t room, size;
    bool ok;

    if (!read_inputs(op, &nms, err))
        return false;
    room = (size_t)nms.boxes + 1;
    nms.sorted = calloc(room, sizeof *nms.sorted);
    nms.picked = calloc(room, sizeof *nms.picked);
    ok = nms.sorted && nms.picked && pick_all(&nms, op);
    size = (size_t)nms.out_count * sizeof *nms.out;
    y->dtype = ENG_I64;
    eng_shape_set(y, 2, (const int64_t[]){nms.out_count, 3});
    y->data = ok ? arena_alloc(op->arena, size) : NULL;
    if (y->data && size)
        memcpy(y->data, nms.out, size);
    free(nms.sorted);
    free(nms.picked);
    free(nms.out);
    return y->data || fail(err, ERR_OUT_OF_MEMORY, "no memory for %lld boxes",
                           (long long)nms.boxes);
}

/* The output is known after infer; this is never called. */
static bool nms_run(const struct op_node *op, const struct op_frame *frame,
                    struct error *err)
{
    (void)op;
    (void)frame;
    return fail(err, ERR_INTERNAL, "NonMaxSuppression runs while planning");
}

const struct op_impl op_non_max_suppression = {.name = "non_max_suppression",
                                               .in_min = 2,
                                               .in_max = 5,
                                               .out_min = 1,
                                               .out_max = 1,
                                               .value_inputs = 31,
                                               .infer = nms_infer,
                                               .run = nms_run};
