"""Learning by the perceptron rule."""

from nntrain.losses.margin import PerceptronCriterion
from nntrain.registry import task
from nntrain.specs import Classes
from nntrain.tasks.classification import Classification


@task("perceptron")
def perceptron(targets: Classes) -> Classification:
    """One class for each example, learned by the perceptron rule: only a wrong answer changes the weights.

    W_y = W_y + lr x and W_k = W_k - lr x for the class k that won in place of y

    This is classification with loss perceptron under sgd; batch_size 1 and lr 1 give the rule as it was published.
    Source: Rosenblatt, The perceptron, 1958.
    """
    return Classification(targets, loss=PerceptronCriterion)
