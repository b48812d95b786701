"""Several models together: trained side by side, averaged, cross-validated, asked for wrong labels.

It imports training and all that this imports.
"""
